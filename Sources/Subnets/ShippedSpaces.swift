extension SearchSpace {
  /// The search spaces of the folder `search-spaces`, in the order of lists. Their texts are part of the program, so an
  /// installed program needs no files.
  public static let shipped: [(name: String, yaml: String)] = [
    ("widths", PackageResources.widths_yaml), ("uniform", PackageResources.uniform_yaml),
    ("blocks", PackageResources.blocks_yaml), ("joint", PackageResources.joint_yaml),
    ("example", PackageResources.example_yaml),
  ].map { ($0, String(decoding: $1, as: UTF8.self)) }
}
