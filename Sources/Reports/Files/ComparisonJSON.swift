import Foundation

/// `comparison.json`: everything in a comparison, for programs. The module's README documents every key.
public enum ComparisonJSON {
  /// Name of the document's form, in its key `schema`.
  public static let schema = "nas-search.compare"
  /// Grows when a key changes its meaning or goes away, not when one is added.
  public static let version = 1

  /// - Returns: UTF-8 JSON, keys sorted, ended by a newline; the same comparison always gives the same bytes. Numbers that
  ///   are not finite are `null`.
  public static func data(_ comparison: MethodComparison) -> Data {
    Data(document(comparison).pretty.utf8)
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
      "windowLength": .integer(text.windowLength),
      "tokens": .integer(text.tokens),
      "densePerplexity": .number(text.densePerplexity),
    ])
  }

  private static func stage(_ stage: MethodComparison.Stage) -> JSONValue {
    .object([
      "name": .string(stage.name),
      "seconds": .number(stage.seconds),
      "peakBytes": .optional(stage.peakBytes),
    ])
  }

  private static func method(_ method: MethodComparison.Method) -> JSONValue {
    .object([
      "name": .string(method.name),
      "summary": .string(method.summary),
      "source": .string(method.source),
      "usesGradients": .bool(method.usesGradients),
      "settings": .object(method.settings.mapValues(JSONValue.string)),
    ])
  }

  private static func cell(_ cell: MethodComparison.Cell, in comparison: MethodComparison) -> JSONValue {
    let ratios = cell.perplexities.indices.map { JSONValue.optional(comparison.ratioToDense(cell, text: $0)) }
    return .object([
      "method": .string(cell.method),
      "keepTarget": .number(cell.keepTarget),
      "keepRatio": .number(cell.keepRatio),
      "parameters": .integer(cell.parametersTotal),
      "parametersBlock": .integer(cell.parametersBlock),
      "kl": .optional(cell.kl),
      "perplexities": .array(cell.perplexities.map(JSONValue.number)),
      "ratiosToDense": .array(ratios),
      "repair": .string(cell.repair),
      "scoreSeconds": .number(cell.scoreSeconds),
      "searchSeconds": .number(cell.searchSeconds),
      "repairSeconds": .number(cell.repairSeconds),
      "peakBytes": .optional(cell.peakBytes),
      "failure": cell.failure.map(JSONValue.string) ?? .null,
    ])
  }

  private static func winner(_ winner: MethodComparison.Winner, in comparison: MethodComparison) -> JSONValue {
    .object([
      "text": .string(comparison.texts[winner.text].name),
      "keepTarget": .number(winner.keepTarget),
      "method": .string(winner.method),
      "perplexity": .number(winner.perplexity),
      "ratioToDense": .optional(winner.ratioToDense),
    ])
  }
}
