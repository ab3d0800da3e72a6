import Foundation

/// Natural logarithm of a `Float`, kept here so that the kernels need no Foundation.
@inline(__always)
func logarithm(_ x: Float) -> Float { Float(Foundation.log(Double(x))) }
