/// Something that has a value for each projection of a layer, under its name in formulas.
public protocol ProjectionTable {
  associatedtype Projection
  subscript(part: LayerPart) -> Projection { get set }
}

extension ProjectionTable {
  public var query: Projection {
    get { self[.query] }
    set { self[.query] = newValue }
  }
  public var key: Projection {
    get { self[.key] }
    set { self[.key] = newValue }
  }
  public var value: Projection {
    get { self[.value] }
    set { self[.value] = newValue }
  }
  public var output: Projection {
    get { self[.output] }
    set { self[.output] = newValue }
  }
  public var gate: Projection {
    get { self[.gate] }
    set { self[.gate] = newValue }
  }
  public var up: Projection {
    get { self[.up] }
    set { self[.up] = newValue }
  }
  public var down: Projection {
    get { self[.down] }
    set { self[.down] = newValue }
  }
}

/// A value for each part of a layer, found by the part's number.
public struct LayerTable<Value> {
  private var values: [Value]

  public init(_ value: (LayerPart) throws -> Value) rethrows { values = try LayerPart.allCases.map(value) }

  public subscript(part: LayerPart) -> Value {
    get { values[part.rawValue] }
    set { values[part.rawValue] = newValue }
  }
}

extension LayerTable: Sendable where Value: Sendable {}
