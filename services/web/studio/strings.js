// What the page says, in one place; what the server says comes in its own sentences.
export const TEXT = {
  brand: "Tapewire",
  views: { strategies: "Strategies", generate: "Generate", optimise: "Optimise", backtest: "Backtest", analysis: "Analysis", jobs: "Jobs" },
  login: {
    title: "Log in", name: "Name", password: "Password", go: "Log in",
    dev: "A server that was started with `tapewire serve --dev` printed both.",
  },
  logout: "Log out",
  more: "More",
  failed: "That did not work",
  away: "The server does not answer; trying again …",
  missing: "There is no such view.",
  keys: "Keys: g then s, n, o, b, a or j goes to a view; / goes to the filter; ? shows this.",
  strategies: {
    empty: "No strategies yet.",
    teach: "Generate some: they are made by rule, traded on bars and held against guards.",
    filter: "Filter", filterHint: "trades > 100 and sharpe > 1", sort: "Sort by", apply: "Show",
    descending: "highest first", ascending: "lowest first",
    remove: "Delete", test: "Test", selected: (n) => `${n} selected`,
    undo: "Undo", deleting: (n) => `${n} ${n === 1 ? "strategy is" : "strategies are"} deleted in 6 s`,
    deleted: (n) => `${n} deleted`, kept: "Nothing was deleted",
    columns: {
      id: "Id", name: "Name", sharpe: "Sharpe", total_return: "Return", max_drawdown: "Drawdown",
      trades: "Trades", complexity_score: "Complexity",
    },
  },
  strategy: {
    rules: "Rules", source: "As JSON", results: "Results", verdicts: "Verdicts",
    noResults: "It was never traded.", noVerdicts: "It was not held against the guards.",
    save: "Save as file", passed: "passed", failed: "failed", test: "Test on bars", backtest: "Backtest on records",
  },
  generate: {
    title: "Generate strategies", data: "Bars", method: "Method", count: "How many",
    population: "Population", generations: "Generations", seed: "Seed", timeframe: "Timeframe",
    indicators: "Indicators at most", conditions: "Conditions at most",
    complexity: "Complexity at most", allowed: "Only these indicators (none: all)",
    go: "Generate", judge: "Hold the best against the guards",
    noData: "The server has no folder of data: start it with --data FOLDER.",
    methods: { random: "random", genetic: "genetic", grammar: "by grammar" },
  },
  optimise: {
    title: "Optimise parameters", strategy: "Strategy", data: "Bars", objective: "Objective",
    parameters: "Parameters, one a line", assumptions: "Assumptions, one a line",
    top: "Show the best", go: "Optimise", best: "The best",
  },
  test: {
    title: "Test strategies", data: "Bars", assumptions: "Assumptions, one a line", go: "Test",
    which: "Strategies", rows: "What they made",
  },
  jobs: {
    empty: "No jobs yet.", teach: "Whatever takes longer than a moment is a job; it goes on when this page is closed.",
    columns: { id: "Id", kind: "Kind", state: "State", progress: "Progress", owner: "Owner", created_at: "Asked for" },
    cancel: "Cancel", asked: "What was asked for", result: "What came of it",
    states: {
      JOB_STATE_WAITING: "waits", JOB_STATE_RUNNING: "runs", JOB_STATE_DONE: "done",
      JOB_STATE_FAILED: "failed", JOB_STATE_CANCELED: "canceled",
    },
    canceling: "is being canceled", toStrategies: "See its strategies", toRun: "See its charts",
  },
};
