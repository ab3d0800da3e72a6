import Checkpoints
import Foundation

/// `comparison.json`: everything in a comparison, for programs. `docs/json.md` documents every key.
public enum ComparisonJSON {
  /// - Returns: UTF-8 JSON, keys sorted, ended by a newline; the same comparison always gives the same bytes. Numbers that
  ///   are not finite are `null`.
  public static func data(_ comparison: MethodComparison) -> Data {
    Data(document(comparison).document.utf8)
  }

  static func document(_ comparison: MethodComparison) -> JSONValue {
    .object([
      "schema": .string("nas-search.compare"), "version": 2,
      "tool": .object(["name": .string("nas-search"), "version": .string(comparison.toolVersion)]),
      "command": .string(comparison.command), "model": FrontJSON.model(comparison.model),
      "calibration": .string(comparison.calibration),
      "texts": .array(comparison.texts.map { .object(members($0)) }),
      "tasks": .array((comparison.tasks ?? []).map(task)),
      "stages": .array(comparison.stages.map(stage)), "methods": .array(comparison.methods.map(method)),
      "cells": .array(comparison.cells.map { cell($0, in: comparison) }),
      "winners": .array(comparison.winners.map { winner($0, in: comparison) }),
    ])
  }

  static func members(_ text: MethodComparison.EvaluationText) -> [String: JSONValue] {
    [
      "name": .string(text.name), "windows": .integer(text.windows),
      "window_length": .integer(text.windowLength), "tokens": .integer(text.tokens),
      "dense_perplexity": .number(text.densePerplexity),
    ]
  }

  private static func task(_ task: MethodComparison.EvaluationTask) -> JSONValue {
    .object([
      "task": .string(task.task), "metric": .string(task.metric), "items": .integer(task.items),
      "dense": .number(task.dense), "dense_stderr": .optional(task.denseError),
    ])
  }

  /// What a cell reached in a metric of a task, under names that begin with a prefix.
  static func members(_ value: MethodComparison.TaskValue?, prefix: String) -> [String: JSONValue] {
    [
      prefix + "value": .optional(value?.value), prefix + "stderr": .optional(value?.standardError),
      prefix + "difference": .optional(value?.difference),
      prefix + "difference_stderr": .optional(value?.differenceError),
    ]
  }

  private static func stage(_ stage: MethodComparison.Stage) -> JSONValue {
    .object([
      "name": .string(stage.name), "seconds": .number(stage.seconds), "peak_bytes": .optional(stage.peakBytes),
    ])
  }

  private static func method(_ method: MethodComparison.Method) -> JSONValue {
    .object([
      "name": .string(method.name), "summary": .string(method.summary), "source": .string(method.source),
      "uses_gradients": .bool(method.usesGradients),
      "settings": .object(method.settings.mapValues(JSONValue.string)),
    ])
  }

  private static func cell(_ cell: MethodComparison.Cell, in comparison: MethodComparison) -> JSONValue {
    let ratios = cell.perplexities.indices.map { JSONValue.optional(comparison.ratioToDense(cell, text: $0)) }
    let scores = zip(comparison.tasks ?? [], cell.scores ?? []).map { task, value in
      JSONValue.object(
        members(value, prefix: "").merging(["task": .string(task.task), "metric": .string(task.metric)]) { $1 })
    }
    return .object(
      members(cell).merging([
        "tasks": .array(scores),
        "perplexities": .array(cell.perplexities.map(JSONValue.number)), "ratios_to_dense": .array(ratios),
      ]) { $1 })
  }

  /// What a cell is, but for its values on the texts.
  static func members(_ cell: MethodComparison.Cell) -> [String: JSONValue] {
    [
      "method": .string(cell.method), "keep_target": .number(cell.keepTarget),
      "keep_ratio": .number(cell.keepRatio), "total_parameters": .integer(cell.parametersTotal),
      "block_parameters": .integer(cell.parametersBlock), "kl": .optional(cell.kl),
      "repair": .string(cell.repair), "score_seconds": .number(cell.scoreSeconds),
      "search_seconds": .number(cell.searchSeconds), "repair_seconds": .number(cell.repairSeconds),
      "peak_bytes": .optional(cell.peakBytes), "failure": cell.failure.map(JSONValue.string) ?? .null,
    ]
  }

  private static func winner(_ winner: MethodComparison.Winner, in comparison: MethodComparison) -> JSONValue {
    .object([
      "text": .string(comparison.texts[winner.text].name), "keep_target": .number(winner.keepTarget),
      "method": .string(winner.method), "perplexity": .number(winner.perplexity),
      "ratio_to_dense": .optional(winner.ratioToDense),
    ])
  }
}
