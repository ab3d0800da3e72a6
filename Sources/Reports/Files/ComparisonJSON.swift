import Checkpoints
import Foundation

/// `comparison.json`: everything in a comparison, for programs. The module's README documents every key.
public enum ComparisonJSON {
  /// Name of the document's form, in its key `schema`.
  public static let schema = "nas-search.compare"
  /// Grows when a key changes its meaning or goes away, not when one is added.
  public static let version = 2

  /// - Returns: UTF-8 JSON, keys sorted, ended by a newline; the same comparison always gives the same bytes. Numbers that
  ///   are not finite are `null`.
  public static func data(_ comparison: MethodComparison) -> Data {
    Data(document(comparison).document.utf8)
  }

  static func document(_ comparison: MethodComparison) -> JSONValue {
    .object([
      "schema": .string(schema),
      "version": .integer(version),
      "tool": .object(["name": .string("nas-search"), "version": .string(comparison.toolVersion)]),
      "command": .string(comparison.command),
      "model": FrontJSON.model(comparison.model),
      "calibration": .string(comparison.calibration),
      "texts": .array(comparison.texts.map(text)),
      "stages": .array(comparison.stages.map(stage)),
      "methods": .array(comparison.methods.map(method)),
      "cells": .array(comparison.cells.map { cell($0, in: comparison) }),
      "winners": .array(comparison.winners.map { winner($0, in: comparison) }),
    ])
  }

  private static func text(_ text: MethodComparison.EvaluationText) -> JSONValue {
    .object([
      "name": .string(text.name),
      "windows": .integer(text.windows),
      "window_length": .integer(text.windowLength),
      "tokens": .integer(text.tokens),
      "dense_perplexity": .number(text.densePerplexity),
    ])
  }

  private static func stage(_ stage: MethodComparison.Stage) -> JSONValue {
    .object([
      "name": .string(stage.name),
      "seconds": .number(stage.seconds),
      "peak_bytes": .optional(stage.peakBytes),
    ])
  }

  private static func method(_ method: MethodComparison.Method) -> JSONValue {
    .object([
      "name": .string(method.name),
      "summary": .string(method.summary),
      "source": .string(method.source),
      "uses_gradients": .bool(method.usesGradients),
      "settings": .object(method.settings.mapValues(JSONValue.string)),
    ])
  }

  private static func cell(_ cell: MethodComparison.Cell, in comparison: MethodComparison) -> JSONValue {
    let ratios = cell.perplexities.indices.map { JSONValue.optional(comparison.ratioToDense(cell, text: $0)) }
    return .object([
      "method": .string(cell.method),
      "keep_target": .number(cell.keepTarget),
      "keep_ratio": .number(cell.keepRatio),
      "total_parameters": .integer(cell.parametersTotal),
      "block_parameters": .integer(cell.parametersBlock),
      "kl": .optional(cell.kl),
      "perplexities": .array(cell.perplexities.map(JSONValue.number)),
      "ratios_to_dense": .array(ratios),
      "repair": .string(cell.repair),
      "score_seconds": .number(cell.scoreSeconds),
      "search_seconds": .number(cell.searchSeconds),
      "repair_seconds": .number(cell.repairSeconds),
      "peak_bytes": .optional(cell.peakBytes),
      "failure": cell.failure.map(JSONValue.string) ?? .null,
    ])
  }

  private static func winner(_ winner: MethodComparison.Winner, in comparison: MethodComparison) -> JSONValue {
    .object([
      "text": .string(comparison.texts[winner.text].name),
      "keep_target": .number(winner.keepTarget),
      "method": .string(winner.method),
      "perplexity": .number(winner.perplexity),
      "ratio_to_dense": .optional(winner.ratioToDense),
    ])
  }
}
