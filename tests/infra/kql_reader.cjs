// Resolves log queries with Microsoft's own language service, against a schema, offline.
//
// Reads {"tables": {name: schema}, "queries": {key: text}} from its input and prints, by key, what
// the service says against the query and which names stand in it. A schema is "(column:type, …)".

const home = "@kusto/language-service-next/";
require(home + "bridge.min.js");
require(home + "Kusto.Language.Bridge.min.js");

const { GlobalState, KustoCode, Symbols, Syntax } = Kusto.Language;
const COMPARISONS = new Set(["EqualExpression", "NotEqualExpression", "InExpression", "NotInExpression"]);
const BAG = "customDimensions";

const list = (found) => Array.from({ length: found.Count }, (_, index) => found.getItem(index));
const kind = (node) => System.Enum.toString(Syntax.SyntaxKind, node.Kind);
const source = (node, text) => text.substring(node.TextStart, node.End).trim();

function nodes(root) {
  const found = [];
  Syntax.SyntaxElement.WalkNodes(root, (node) => found.push(node));
  return found;
}

const literals = (root) =>
  nodes(root).filter((node) => kind(node) === "StringLiteralExpression").map((node) => node.LiteralValue);

/** The key of `bag.key` or `bag["key"]`; nothing for any other expression. */
function dimension(node, text) {
  const isPath = kind(node) === "PathExpression";
  if ((!isPath && kind(node) !== "ElementExpression") || source(node.Expression, text) !== BAG) return [];
  return isPath ? [source(node.Selector, text)] : literals(node.Selector);
}

function read(text, globals) {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  const all = nodes(code.Syntax);
  const names = all.filter((node) => kind(node) === "NameReference");
  const tables = names.filter((node) => globals.Database.GetTable(source(node, text)) === node.ReferencedSymbol);
  return {
    diagnostics: list(code.GetDiagnostics()).map((one) => `${one.Severity} ${one.Code}: ${one.Message}`),
    tables: [...new Set(tables.filter((node) => node.ReferencedSymbol).map((node) => source(node, text)))],
    dimensions: [...new Set(all.flatMap((node) => dimension(node, text)))],
    columns: code.ResultType ? list(code.ResultType.Columns).map((one) => one.Name) : [],
    literals: literals(code.Syntax),
    comparisons: all
      .filter((node) => COMPARISONS.has(kind(node)))
      .map((node) => [source(node.Left, text), literals(node.Right)]),
  };
}

const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const members = new (System.Collections.Generic.List$1(Symbols.Symbol).ctor)();
for (const [name, schema] of Object.entries(asked.tables)) members.add(new Symbols.TableSymbol.$ctor7(name, schema, null));
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.$ctor3("logs", null, members, false));
const answers = Object.entries(asked.queries).map(([key, text]) => [key, read(text, globals)]);
console.log(JSON.stringify(Object.fromEntries(answers)));
