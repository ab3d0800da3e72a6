import Foundation
import LinearAlgebra
import Runtime
import Synchronization

/// Matrices that are read and changed in turn: all in memory, or all on disk and one at a time in memory.
public final class MatrixStore: Sendable {
  private enum Entry {
    case inMemory(Matrix<Float>)
    case onDisk(ScratchFile.Place)
  }

  private let entries = Mutex<[Entry]>([])
  private let file: ScratchFile?

  /// - Parameter bytes: of all matrices that will be appended; they stay in memory if they fit `MemoryPlan.trained`.
  /// - Throws: `ModelError.scratch` if no file can be made in the plan's `scratch`.
  public init(bytes: Int, within memory: MemoryPlan) throws {
    if bytes <= memory.trained {
      file = nil
    } else {
      // Whatever is wrong with the folder shows when the file is opened.
      try? FileManager.default.createDirectory(at: memory.scratch, withIntermediateDirectories: true)
      file = try ScratchFile(in: memory.scratch)
    }
  }

  /// Takes a matrix, whose memory must not be changed by others afterwards.
  ///
  /// - Throws: `ModelError.scratch` where the disk is full.
  public func append(_ matrix: Matrix<Float>) throws {
    let entry = try file.map { .onDisk(try $0.append(matrix)) } ?? Entry.inMemory(matrix)
    entries.withLock { $0.append(entry) }
  }

  /// A matrix as it is now; in memory, it is the one that `change` changes.
  public func matrix(_ index: Int) throws -> Matrix<Float> {
    switch entries.withLock({ $0[index] }) {
    case .inMemory(let matrix): return matrix
    case .onDisk(let place):
      guard let file else { preconditionFailure("a place in no file") }
      return try file.read(place)
    }
  }

  /// Changes a matrix in place.
  public func change(_ index: Int, _ body: (Matrix<Float>) throws -> Void) throws {
    let matrix = try matrix(index)
    try body(matrix)
    if case .onDisk(let place) = entries.withLock({ $0[index] }) { try file?.write(matrix, to: place) }
  }
}
