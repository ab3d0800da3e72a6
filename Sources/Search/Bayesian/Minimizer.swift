import CNumerics

/// Minimises smooth functions of many variables: GSL's `vector_bfgs2`, quasi-Newton steps with Fletcher's line search
/// ("Practical Methods of Optimization", 1987, algorithms 2.6.2 and 2.6.4).
enum Minimizer {
  /// The best point found from `start`.
  ///
  /// - Parameters:
  ///   - iterations: largest number of line searches.
  ///   - tolerance: the norm of the gradient at which the search ends.
  ///   - function: value and gradient at a point. The search steps back from points with a value that is not finite.
  static func minimum(
    from start: [Double], iterations: Int, tolerance: Double,
    _ function: (_ point: [Double]) -> (value: Double, gradient: [Double])
  ) -> (point: [Double], value: Double) {
    withoutActuallyEscaping(function) { function in
      let memory = Memory(start, function)
      if !start.isEmpty { run(memory, start, iterations: iterations, tolerance: tolerance) }
      return (memory.best, memory.bestValue)
    }
  }

  /// The function with its last value, because GSL asks in two calls, and the best point seen.
  private final class Memory {
    private let function: ([Double]) -> (value: Double, gradient: [Double])
    private var last: [Double]
    private var result: (value: Double, gradient: [Double])
    private(set) var best: [Double]
    private(set) var bestValue: Double

    init(_ start: [Double], _ function: @escaping ([Double]) -> (value: Double, gradient: [Double])) {
      self.function = function
      result = function(start)
      (last, best, bestValue) = (start, start, result.value)
    }

    func evaluate(_ vector: UnsafePointer<gsl_vector>?) -> (value: Double, gradient: [Double]) {
      let point = last.indices.map { gsl_vector_get(vector, $0) }
      if point != last {
        result = function(point)
        last = point
        if result.value < bestValue || !bestValue.isFinite { (best, bestValue) = (point, result.value) }
      }
      return result
    }

    /// Writes the gradient; one that is not finite counts as zero.
    func write(_ gradient: [Double], to vector: UnsafeMutablePointer<gsl_vector>?) {
      for (index, slope) in gradient.enumerated() { gsl_vector_set(vector, index, slope.isFinite ? slope : 0) }
    }

    static func from(_ parameters: UnsafeMutableRawPointer?) -> Memory? {
      parameters.map { Unmanaged<Memory>.fromOpaque($0).takeUnretainedValue() }
    }
  }

  /// GSL calls its error handler, which by default ends the process, also when a line search makes no progress.
  private static let handlerIsOff: Bool = {
    gsl_set_error_handler_off()
    return true
  }()

  private static func run(_ memory: Memory, _ start: [Double], iterations: Int, tolerance: Double) {
    guard handlerIsOff, let vector = gsl_vector_alloc(start.count) else { return }
    defer { gsl_vector_free(vector) }
    guard let minimizer = gsl_multimin_fdfminimizer_alloc(nas_minimizer_bfgs2(), start.count) else {
      return
    }
    defer { gsl_multimin_fdfminimizer_free(minimizer) }
    for (index, value) in start.enumerated() { gsl_vector_set(vector, index, value) }
    withExtendedLifetime(memory) {
      var function = gsl_multimin_function_fdf(
        f: { point, parameters in Memory.from(parameters)?.evaluate(point).value ?? .nan },
        df: { point, parameters, gradient in
          guard let memory = Memory.from(parameters) else { return }
          memory.write(memory.evaluate(point).gradient, to: gradient)
        },
        fdf: { point, parameters, value, gradient in
          guard let memory = Memory.from(parameters) else { return }
          let result = memory.evaluate(point)
          value?.pointee = result.value
          memory.write(result.gradient, to: gradient)
        },
        n: start.count, params: Unmanaged.passUnretained(memory).toOpaque())
      if Int(gsl_multimin_fdfminimizer_set(minimizer, &function, vector, 0.5, 0.1)) != GSL_SUCCESS { return }
      for _ in 0..<iterations {
        if Int(gsl_multimin_fdfminimizer_iterate(minimizer)) != GSL_SUCCESS { return }
        let gradient = gsl_multimin_fdfminimizer_gradient(minimizer)
        if Int(gsl_multimin_test_gradient(gradient, tolerance)) == GSL_SUCCESS { return }
      }
    }
  }
}
