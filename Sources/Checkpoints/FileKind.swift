/// The kind of a file, recognised by its first bytes and not by its name.
///
/// Readers ask this before they report a wrong header length or magic number: a file of a well-known kind gets an error
/// that names the kind. The list has only kinds that people really put in the place of a model or a text.
public enum FileKind: String, CaseIterable, Sendable {
  case gguf = "a GGUF file"
  case safetensors = "a safetensors file"
  case gitLFSPointer = "a Git LFS pointer"
  case gitAnnexPointer = "a git-annex pointer"
  case html = "a web page (HTML)"
  case parquet = "a Parquet file"
  case arrow = "an Arrow file"
  case zip = "a ZIP archive"
  case pickle = "a Python pickle"
  case gzip = "compressed with gzip"
  case zstd = "compressed with zstd"
  case bzip2 = "compressed with bzip2"
  case xz = "compressed with xz"
  case lz4 = "compressed with LZ4"
  case sevenZip = "a 7z archive"
  case tar = "a tar archive"
  case utf8Mark = "UTF-8 with a byte order mark"
  case utf16 = "UTF-16"
  case utf32 = "UTF-32"
  case oldGGML = "a GGML file of before GGUF"
  case numpy = "a NumPy array"
  case hdf5 = "an HDF5 file"
  case sqlite = "an SQLite database"
  case pdf = "a PDF document"

  /// - Parameter bytes: the file from its beginning; a few dozen bytes are enough for most kinds.
  /// - Returns: nil for a file of an unknown kind, such as plain text or JSON.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard let kind = FileKind.allCases.first(where: { $0.matches(bytes) }) else { return nil }
    self = kind
  }

  private func matches(_ bytes: UnsafeRawBufferPointer) -> Bool {
    func begins(_ prefix: [UInt8]) -> Bool { bytes.starts(with: prefix) }
    func begins(_ prefix: String) -> Bool { bytes.starts(with: prefix.utf8) }
    switch self {
    case .gguf: return begins("GGUF")
    case .safetensors: return Self.isSafetensors(bytes)
    case .gitLFSPointer:
      return begins("version https://git-lfs.github.com/spec/") || begins("version https://hawser.github.com/")
    case .gitAnnexPointer: return begins("/annex/objects/")
    case .html: return Self.isHTML(bytes)
    case .parquet: return begins("PAR1")
    // A file, or a stream: a mark, the length of the schema, and the offset of its table.
    case .arrow:
      return begins("ARROW1")
        || begins([0xFF, 0xFF, 0xFF, 0xFF]) && bytes.dropFirst(8).starts(with: [0x10, 0, 0, 0])
    case .zip: return begins("PK\u{3}\u{4}") || begins("PK\u{5}\u{6}")
    // Protocol 2 to 5, followed by an opcode of a pickle: EMPTY_DICT, GLOBAL, FRAME, LONG1, MARK, BINPUT and the like.
    case .pickle:
      return bytes.count > 2 && bytes[0] == 0x80 && (2...5).contains(bytes[1])
        && "}c\u{8A}(]lJM".utf8.contains(bytes[2])
        || bytes.count > 2 && bytes[0] == 0x80 && (4...5).contains(bytes[1]) && bytes[2] == 0x95
        || begins([0x80, 2, 0x8A])
    case .gzip: return begins([0x1F, 0x8B])
    // Some writers begin with a frame that readers skip.
    case .zstd:
      return begins([0x28, 0xB5, 0x2F, 0xFD])
        || bytes.count > 3 && bytes[0] & 0xF0 == 0x50 && bytes.dropFirst().starts(with: [0x2A, 0x4D, 0x18])
    case .bzip2: return begins("BZh") && bytes.count > 4 && bytes[4] == 0x31
    case .xz: return begins([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0])
    case .lz4: return begins([0x04, 0x22, 0x4D, 0x18])
    case .sevenZip: return begins([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C])
    case .tar: return bytes.dropFirst(257).starts(with: "ustar".utf8)
    case .utf8Mark: return begins([0xEF, 0xBB, 0xBF])
    case .utf32: return begins([0, 0, 0xFE, 0xFF]) || begins([0xFF, 0xFE, 0, 0])
    case .utf16: return (begins([0xFE, 0xFF]) || begins([0xFF, 0xFE])) && !begins([0xFF, 0xFE, 0, 0])
    // ggml, ggmf, ggjt, ggla and ggsn as little-endian numbers.
    case .oldGGML: return ["lmgg", "fmgg", "tjgg", "algg", "nsgg"].contains(where: { begins($0) })
    case .numpy: return begins([0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59])
    case .hdf5: return begins([0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A])
    case .sqlite: return begins("SQLite format 3\u{0}")
    case .pdf: return begins("%PDF-")
    }
  }

  /// Eight bytes of a length that the format allows, and an object of JSON.
  private static func isSafetensors(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count >= 10 else { return false }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    return (2...UInt64(SafetensorsFile.maximumHeaderBytes)).contains(length) && bytes[8] == UInt8(ascii: "{")
      && (bytes[9] == UInt8(ascii: "\"") || bytes[9] == UInt8(ascii: "}") || bytes[9] == 0x20)
  }

  private static func isHTML(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let start = String(decoding: bytes.prefix(256), as: UTF8.self).lowercased().drop {
      $0.isWhitespace || $0 == "\u{FEFF}"
    }
    let marks = ["<!doctype html", "<html", "<head"]
    // Also after a declaration of XML or a comment.
    let isBehind = ["<?xml", "<!--"].contains { start.hasPrefix($0) } && marks.contains { start.contains($0) }
    return isBehind || marks.contains { start.hasPrefix($0) }
  }

  /// The name of the kind with an article: "a Git LFS pointer".
  public var name: String { rawValue }

  /// Advice for its owner, as a command or a short sentence; nil if there is no general advice.
  public var advice: String? {
    switch self {
    case .gitLFSPointer: "the real file was not downloaded; 'git lfs pull' in its repository fetches it"
    case .gitAnnexPointer: "the real file was not downloaded; 'git annex get' in its repository fetches it"
    case .html: "a download that failed or wanted a login often leaves one; download the file again"
    case .gzip: "'gunzip' unpacks it"
    case .zstd: "'zstd -d' unpacks it"
    case .bzip2: "'bunzip2' unpacks it"
    case .xz: "'unxz' unpacks it"
    case .lz4: "'lz4 -d' unpacks it"
    case .sevenZip, .zip, .tar: "unpack it first"
    case .utf16, .utf32: "'iconv -t UTF-8' converts it"
    case .oldGGML: "llama.cpp's 'convert_llama_ggml_to_gguf.py' converts it"
    default: nil
    }
  }
}

extension CheckpointError {
  /// The error of a reader that finds a file of another kind.
  /// - Parameter expected: name of the kind that the reader reads, such as "a safetensors file".
  public static func otherKind(_ kind: FileKind, path: String, expected: String) -> CheckpointError {
    .malformed(file: path, problem: "it is \(kind.name), not \(expected)" + (kind.advice.map { ": \($0)" } ?? ""))
  }
}
