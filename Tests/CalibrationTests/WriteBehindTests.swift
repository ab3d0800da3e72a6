import Foundation
import Synchronization
import Testing

@testable import Calibration

@Suite struct WriteBehindTests {
  private struct Failure: Error, Equatable { let piece: Int }

  private final class Pieces: Sendable {
    private let done = Mutex<[Int]>([])

    func add(_ piece: Int) { done.withLock { $0.append(piece) } }
    var all: [Int] { done.withLock { $0 } }
  }

  @Test func piecesAreWrittenInOrderBeforeTheEnd() throws {
    let pieces = Pieces()
    try WriteBehind.during { disk in
      for piece in 0..<20 {
        try disk.write {
          Thread.sleep(forTimeInterval: piece % 3 == 0 ? 0.002 : 0)
          pieces.add(piece)
        }
        // All but the last are there.
        #expect(pieces.all.count >= piece)
      }
    }
    #expect(pieces.all == Array(0..<20))
  }

  /// The error of a piece ends the pass at the next piece, that of the last piece at the end.
  @Test(arguments: [3, 9]) func errorsOfPiecesAreThrown(failing: Int) {
    let pieces = Pieces()
    #expect(throws: Failure(piece: failing)) {
      try WriteBehind.during { disk in
        for piece in 0..<10 {
          try disk.write {
            if piece == failing { throw Failure(piece: piece) }
            pieces.add(piece)
          }
        }
      }
    }
    #expect(pieces.all == Array(0..<failing))
  }

  /// Code that removes a folder after a failure does not meet a piece that is still being written.
  @Test func aFailureWaitsForThePiece() {
    let pieces = Pieces()
    #expect(throws: Failure(piece: -1)) {
      try WriteBehind.during { disk in
        try disk.write {
          Thread.sleep(forTimeInterval: 0.02)
          pieces.add(0)
        }
        throw Failure(piece: -1)
      }
    }
    #expect(pieces.all == [0])
  }
}
