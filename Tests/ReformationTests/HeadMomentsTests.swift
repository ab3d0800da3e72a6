import Foundation
import LanguageModels
import LinearAlgebra
import Testing

@testable import Reformation

@Suite struct HeadMomentsTests {
  /// The moments of a layer against loops over queries, keys and dimensions.
  @Test(arguments: [Fixture.qwen2Bias, .mistralGQA]) func momentsAreTheSums(fixture: Fixture) throws {
    let model = try fixture.model()
    let (configuration, length) = (model.configuration, 20)
    let weights = try model.layer(1)
    let inputs = Matrix<Float>.random(3 * length, configuration.hiddenSize, seed: 3)
    let root = Matrix<Float>.random(configuration.hiddenSize, configuration.hiddenSize, seed: 4)
    let moments = Matrix<Float>(rows: root.rows, columns: root.rows)
    multiply(root, root, transposingB: true, into: moments)
    let found = try HeadMoments(
      weights, in: configuration, inputs: inputs, windowLength: length, outputMoments: moments)
    let naive = NaiveHeads(weights, configuration, inputs, length)
    #expect(HeadMoments.positions(length).last == length - 1)
    for head in 0..<configuration.layers[1].queryHeads {
      let expected = naive.keys(head)
      for i in 0..<8 {
        for j in 0..<8 {
          #expect(abs(Double(found.keys[head][i, j]) - expected[i][j]) < 1e-3 * (1 + abs(expected[i][j])))
        }
      }
    }
    let expected = naive.losses(root)
    for i in 0..<4 {
      for j in 0..<4 { #expect(abs(found.losses[i, j] - expected[i][j]) < 1e-3 * (1 + abs(expected[i][j]))) }
    }
  }

  @Test(arguments: [1, 5, 16, 40, 512]) func queriesAreSpreadOverTheWindow(length: Int) {
    let positions = HeadMoments.positions(length)
    #expect(positions.count == min(16, length) && positions.last == length - 1 && positions.allSatisfy { $0 >= 0 })
    #expect(positions == Array(Set(positions)).sorted())
  }

  /// If the keys of what goes are a linear map of the kept ones, no score is lost: up to the ridge.
  @Test func queriesMakeUpForDependentKeys() throws {
    let layer = NarrowedLayer(weights: LayerWeights(), dimension: 4, engine: CPUEngine())
    let (kept, map) = ([0, 2], [[0.5, -1.0], [2.0, 0.25]])
    let keys = Matrix<Float>.random(200, 4, seed: 5)
    for i in 0..<200 {
      let (a, b) = (keys[i, 0], keys[i, 2])
      keys[i, 1] = Float(map[0][0]) * a + Float(map[0][1]) * b
      keys[i, 3] = Float(map[1][0]) * a + Float(map[1][1]) * b
    }
    let moments = Matrix<Float>(rows: 4, columns: 4)
    multiply(keys, keys, transposingA: true, into: moments)
    let query = try layer.queryMap(kept, moments, 2)
    let (q, shortened) = (Matrix<Float>.random(1, 4, seed: 6), Matrix<Float>(rows: 1, columns: 2))
    multiply(q, query, transposingB: true, into: shortened)
    for i in 0..<200 {
      let whole = (0..<4).reduce(Float(0)) { $0 + q[0, $1] * keys[i, $1] }
      let part = shortened[0, 0] * keys[i, 0] + shortened[0, 1] * keys[i, 2]
      #expect(abs(part - 2 * whole) < 2e-3 * (1 + abs(whole)))
    }
  }

  /// In general the map is the solution of two equations a column.
  @Test func queryMapSolvesItsEquations() throws {
    let layer = NarrowedLayer(weights: LayerWeights(), dimension: 4, engine: CPUEngine())
    let root = Matrix<Float>.random(4, 30, seed: 7)
    let c = Matrix<Float>(rows: 4, columns: 4)
    multiply(root, root, transposingB: true, into: c)
    let map = try layer.queryMap([1, 3], c, 1)
    #expect([map[0, 1], map[0, 3], map[1, 1], map[1, 3]] == [1, 0, 0, 1])
    let ridge = 1e-4 * (c[1, 1] + c[3, 3]) / 2
    let (a, b, d) = (c[1, 1] + ridge, c[1, 3], c[3, 3] + ridge)
    for other in [0, 2] {
      let (x, y) = (c[1, other], c[3, other])
      #expect(abs(map[0, other] - (d * x - b * y) / (a * d - b * b)) < 1e-4)
      #expect(abs(map[1, other] - (a * y - b * x) / (a * d - b * b)) < 1e-4)
    }
  }
}

/// One layer's attention in double precision, by loops.
private struct NaiveHeads {
  let scale: Double
  let dimension: Int
  let output: Matrix<Float>
  /// Of each looked-at query and head: weights, turned and centred keys, values, and the query.
  private var entries: [(head: Int, shares: [Double], keys: [[Double]], values: [[Double]], query: [Double])] = []

  init(_ weights: LayerWeights, _ configuration: ModelConfiguration, _ inputs: Matrix<Float>, _ length: Int) {
    let shape = configuration.layers[1]
    (scale, dimension, output) = (Double(configuration.scoreScale), configuration.headDimension, weights.output.weight)
    let frequencies = configuration.rotary.frequencies(headDimension: dimension).map(Double.init)
    let half = dimension / 2
    func row(_ part: LayerPart, _ token: Int, _ head: Int) -> [Double] {
      (0..<dimension).map { d in
        let place = head * dimension + d
        return (0..<inputs.columns).reduce(Double(weights[part].bias?[place] ?? 0)) {
          $0 + Double(weights[part].weight[place, $1]) * Double(inputs[token, $1])
        }
      }
    }
    func turned(_ x: [Double], _ steps: Int) -> [Double] {
      var result = x
      for j in 0..<half {
        let angle = Double(steps) * frequencies[j]
        result[j] = cos(angle) * x[j] - sin(angle) * x[j + half]
        result[j + half] = sin(angle) * x[j] + cos(angle) * x[j + half]
      }
      return result
    }
    for window in 0..<inputs.rows / length {
      for position in HeadMoments.positions(length) {
        for head in 0..<shape.queryHeads {
          let group = head / (shape.queryHeads / shape.kvHeads)
          let query = row(.query, window * length + position, head)
          let keys = (0...position).map { turned(row(.key, window * length + $0, group), $0 - position) }
          let scores = keys.map { key in scale * zip(query, key).reduce(0) { $0 + $1.0 * $1.1 } }
          let sum = scores.reduce(0) { $0 + exp($1) }
          let shares = scores.map { exp($0) / sum }
          let mean = (0..<dimension).map { d in zip(shares, keys).reduce(0) { $0 + $1.0 * $1.1[d] } }
          entries.append(
            (
              head, shares, keys.map { key in zip(key, mean).map { $0 - $1 } },
              (0...position).map { row(.value, window * length + $0, group) }, query
            ))
        }
      }
    }
  }

  func keys(_ head: Int) -> [[Double]] {
    let own = entries.filter { $0.head == head }
    return (0..<dimension).map { i in
      (0..<dimension).map { j in
        own.reduce(0) { sum, entry in
          zip(entry.shares, entry.keys).reduce(sum) { $0 + $1.0 * $1.1[i] * $1.1[j] }
        } / Double(own.count)
      }
    }
  }

  /// - Parameter root: `S^½`.
  func losses(_ root: Matrix<Float>) -> [[Double]] {
    let half = dimension / 2
    var result = Array(repeating: Array(repeating: 0.0, count: half), count: half)
    let heads = Set(entries.map(\.head)).count
    for entry in entries {
      let lost = (0..<half).map { pair -> [Double] in
        var context = Array(repeating: 0.0, count: dimension)
        for (share, (key, value)) in zip(entry.shares, zip(entry.keys, entry.values)) {
          let score = scale * (entry.query[pair] * key[pair] + entry.query[pair + half] * key[pair + half])
          for d in 0..<dimension { context[d] += share * score * value[d] }
        }
        let stream = (0..<output.rows).map { i in
          (0..<dimension).reduce(0.0) { $0 + Double(output[i, entry.head * dimension + $1]) * context[$1] }
        }
        return (0..<root.columns).map { i in
          (0..<root.rows).reduce(0.0) { $0 + Double(root[$1, i]) * stream[$1] }
        }
      }
      for i in 0..<half {
        for j in 0..<half { result[i][j] += 0.5 * zip(lost[i], lost[j]).reduce(0) { $0 + $1.0 * $1.1 } }
      }
    }
    let count = Double(entries.count / heads)
    return result.map { $0.map { $0 / count } }
  }
}
