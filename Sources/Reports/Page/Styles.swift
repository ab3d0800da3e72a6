/// The page's style sheet: system fonts, light and dark, phone to desk, and print.
enum Styles {
  static var sheet: String {
    [
      ":root {\n  color-scheme: light dark;\n\(Palette.light.declarations)\n}",
      "@media screen and (prefers-color-scheme: dark) {\n:root {\n\(Palette.dark.declarations)\n}\n}",
      base, cards, charts, heatMap, ramps, tables, commands, narrow, print,
    ].joined(separator: "\n")
  }

  private static let base = """
    *, *::before, *::after { box-sizing: border-box; }
    html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
    body {
      margin: 0 auto; max-width: 70rem; padding: 1.5rem clamp(1rem, 4vw, 2.5rem) 3rem;
      background: var(--background); color: var(--text);
      font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
      font-variant-numeric: tabular-nums; overflow-wrap: break-word;
    }
    header { margin-bottom: 1.5rem; }
    h1 { margin: 0; font-size: clamp(1.5rem, 5vw, 2.1rem); line-height: 1.2; font-weight: 650; }
    h2 { margin: 0 0 .6rem; font-size: 1.2rem; line-height: 1.3; font-weight: 650; }
    section { margin-top: 2.5rem; }
    p { margin: .4rem 0; max-width: 46rem; }
    .eyebrow, .subtitle, .note, figcaption, footer { color: var(--muted); }
    .eyebrow { font-size: .85rem; margin: 0 0 .2rem; }
    .note, footer { font-size: .85rem; }
    .notice { border-left: 4px solid var(--best); padding: .5rem .9rem; background: var(--surface); margin-top: 1rem; }
    a { color: var(--front); text-underline-offset: .15em; }
    :focus-visible { outline: 3px solid var(--front); outline-offset: 2px; border-radius: 2px; }
    figure { margin: 0; min-width: 0; }
    figcaption { font-size: .9rem; }
    footer { margin-top: 3rem; border-top: 1px solid var(--rule); padding-top: .8rem; }
    [hidden] { display: none !important; }
    """

  private static let cards = """
    .cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .75rem; margin: 0; }
    .card { background: var(--surface); border: 1px solid var(--rule); border-radius: 6px; padding: .7rem .9rem; }
    .card dt { font-size: .85rem; color: var(--muted); }
    .card dd { margin: 0; }
    .card .value { font-size: 1.55rem; font-weight: 650; line-height: 1.3; }
    .card .detail { font-size: .82rem; line-height: 1.4; color: var(--muted); }
    """

  private static let charts = """
    .chart { display: block; width: 100%; height: auto; overflow: visible; }
    .chart.wide { max-width: 60rem; }
    .chart.narrow { display: none; max-width: 30rem; }
    .chart.small { max-width: 30rem; }
    .chart text { font-size: 12px; fill: var(--muted); font-family: inherit; }
    .chart .axis-title { fill: var(--text); }
    .chart .label { fill: var(--text); font-weight: 600; }
    .chart .label.best { fill: var(--best); }
    .chart .label.knee { fill: var(--knee); }
    .chart .label { paint-order: stroke; stroke: var(--background); stroke-width: 3px; stroke-linejoin: round; }
    .chart .grid { stroke: var(--rule); stroke-width: 1; opacity: .6; }
    .chart .axis { stroke: var(--muted); stroke-width: 1; }
    .trial { fill: var(--muted); opacity: .38; }
    .trials { stroke: var(--muted); stroke-width: 4; stroke-linecap: round; opacity: .3; fill: none; }
    .front-line { fill: none; stroke: var(--front); stroke-width: 2; stroke-linejoin: round; }
    .front, .step { fill: var(--front); stroke: var(--background); stroke-width: 1; }
    .step.crowded { stroke: none; }
    .front.best { fill: var(--best); }
    .front.knee { fill: var(--knee); }
    .baseline { fill: var(--background); stroke: var(--baseline); stroke-width: 2; }
    .dense { fill: var(--background); stroke: var(--text); stroke-width: 2; }
    .front.is-chosen { stroke: var(--text); stroke-width: 2.5; }
    .near { stroke: var(--text); stroke-width: 2; opacity: 1; }
    .chart a:focus-visible { outline: none; }
    .chart a:focus-visible .front { stroke: var(--text); stroke-width: 4; }
    .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1.5rem; }
    .legend {
      display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: .6rem 0 0; padding: 0; list-style: none;
      font-size: .88rem;
    }
    .legend li { display: flex; align-items: center; gap: .4rem; }
    .legend svg { width: 1rem; height: 1rem; flex: none; }
    #tip {
      position: fixed; z-index: 2; pointer-events: none; max-width: min(20rem, 90vw); padding: .4rem .6rem;
      background: var(--text); color: var(--background); border-radius: 4px; font-size: .82rem; line-height: 1.4;
      white-space: pre-line;
    }
    """

  private static let heatMap = """
    .choose { display: flex; align-items: center; gap: .5rem; margin: .6rem 0; }
    select, button {
      font: inherit; color: inherit; background: var(--surface); border: 1px solid var(--muted); border-radius: 4px;
      padding: .3rem .6rem;
    }
    select { min-width: 0; }
    button { cursor: pointer; font-size: .85rem; }
    .layers {
      display: grid; grid-template-columns: repeat(var(--wide), minmax(0, 1fr)); gap: .6rem 3px; list-style: none;
      margin: .8rem 0; padding: 0; max-width: calc(var(--wide) * 3.4rem);
    }
    .layers li { display: grid; gap: 2px; text-align: center; }
    .layer { font-size: .7rem; color: var(--muted); line-height: 1.3; }
    .cell { display: block; font-size: .72rem; line-height: 1.9rem; min-height: 1.9rem; border-radius: 2px; }
    .ramp { display: inline-flex; flex: none; }
    .ramp .cell { width: .6rem; min-height: .9rem; border-radius: 0; }
    """

  /// Colours of the heat map's cells, one rule a step and kind.
  private static var ramps: String {
    let rules = ["attention", "mlp"].flatMap { name in
      Palette.steps.map { step in
        ".\(name)[data-step=\"\(step)\"] { background: var(--\(name)-\(step)); color: var(--\(name)-\(step)-text); }"
      }
    }
    return rules.joined(separator: "\n") + """

      .cell[data-step="none"] { color: var(--muted); border: 1px dashed var(--muted); line-height: 1.75rem; }
      """
  }

  private static let tables = """
    .allocation td { padding: 1px; border: 0; }
    .allocation td .cell { width: 100%; min-width: .5rem; line-height: 1.1rem; min-height: 1.1rem; }
    .allocation th { text-align: left; border: 0; padding: 1px .6rem 1px .4rem; }
    .allocation caption { text-align: left; font-weight: 600; padding: .4rem; }
    .bar { display: block; height: .8rem; min-width: 1px; background: var(--front); border-radius: 2px; }
    .importance td:last-child { width: 60%; }
    .importance th { text-align: left; font-weight: 400; }
    .scroll { overflow-x: auto; border: 1px solid var(--rule); border-radius: 6px; }
    table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: .86rem; }
    th, td { padding: .38rem .4rem; text-align: right; white-space: nowrap; border-top: 1px solid var(--rule); }
    thead th { border-top: 0; background: var(--surface); font-weight: 600; vertical-align: bottom; }
    th.left, td.left, .front tbody th { text-align: left; }
    .front th:first-child { position: sticky; left: 0; background: var(--background); font-weight: 600; }
    .front thead th:first-child { background: var(--surface); }
    .front tr.reference { color: var(--muted); }
    .front tr.reference th { font-weight: 400; font-style: italic; }
    .front tr[aria-current], .front tr[aria-current] th:first-child { background: var(--surface); }
    .front tr[aria-current] th:first-child { box-shadow: inset 4px 0 var(--front); }
    .front tr:target td, .front tr:target th { border-top-color: var(--front); }
    .script tr[data-point] { cursor: pointer; }
    .badge { margin-left: .4rem; padding: 0 .4rem; border: 1px solid; border-radius: 99px; font-size: .75rem; }
    .badge.best { color: var(--best); }
    .badge.knee { color: var(--knee); }
    .facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); gap: 1.5rem; }
    .facts > div { min-width: 0; }
    .facts table { table-layout: fixed; }
    .facts th, .facts td { text-align: left; white-space: normal; vertical-align: top; padding-left: 0; }
    .facts th { width: 42%; font-weight: 400; color: var(--muted); }
    .facts caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
    """

  private static let commands = """
    .command { display: flex; flex-wrap: wrap; gap: .4rem; align-items: flex-start; margin: .3rem 0 .8rem; }
    .command pre { flex: 1 1 20rem; min-width: 0; }
    pre {
      margin: 0; padding: .6rem .8rem; background: var(--surface); border: 1px solid var(--rule); border-radius: 4px;
      font: .85rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
      white-space: pre-wrap; overflow-wrap: anywhere;
    }
    .command button { min-width: 5rem; padding: .5rem .6rem; }
    .commands summary { cursor: pointer; font-weight: 600; }
    .commands ol { list-style: none; padding: 0; }
    .commands li { margin: 1rem 0; }
    .methods dt { font-weight: 600; margin-top: .7rem; }
    .methods dd { margin: 0; max-width: 46rem; }
    """

  private static let narrow = """
    @media (max-width: 60rem) {
      .layers { grid-template-columns: repeat(var(--medium), minmax(0, 1fr)); max-width: calc(var(--medium) * 3.4rem); }
    }
    @media screen and (max-width: 38rem) {
      .chart.wide { display: none; }
      .chart.narrow { display: block; }
      .cards { grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .5rem; }
      .card .value { font-size: 1.3rem; }
      .layers { grid-template-columns: repeat(var(--narrow), minmax(0, 1fr)); max-width: none; }
      section { margin-top: 2rem; }
    }
    """

  private static let print = """
    @page { margin: 14mm; }
    @media print {
      html { font-size: 9.5pt; }
      body { max-width: none; padding: 0; }
      .cell, .ramp .cell, .card, thead th, .front, .trial, .baseline, .dense {
        print-color-adjust: exact; -webkit-print-color-adjust: exact;
      }
      .screen, .choose, .commands, .command button, #tip { display: none !important; }
      .cards { grid-template-columns: repeat(3, 1fr); }
      .chart.wide { display: block; max-width: 100%; }
      .chart.narrow { display: none; }
      .pair { grid-template-columns: 1fr 1fr; }
      .facts { grid-template-columns: 1fr 1fr; }
      section { margin-top: 1.4rem; }
      h2 { break-after: avoid; }
      .card, figure, #widths, tr, .command, .methods div { break-inside: avoid; }
      thead { display: table-header-group; }
      .scroll { overflow: visible; border: 0; }
      table { font-size: 7.5pt; }
      th, td { padding: .2rem .35rem; }
      .layers { grid-template-columns: repeat(var(--medium), minmax(0, 1fr)); }
      a { color: inherit; text-decoration: none; }
    }
    """
}
