// Microsoft's parser of Kusto queries, on the tables that the app's log becomes.
// Standard input: {"tables": {name: schema}, "queries": {name: text}}. Standard output: {name: [what is wrong]}.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createContext, runInContext } from "node:vm";

const folder = dirname(createRequire(import.meta.url).resolve("@kusto/language-service-next/package.json"));
const context = createContext({ console });
for (const file of ["bridge.min.js", "Kusto.Language.Bridge.min.js"]) {
  runInContext(readFileSync(join(folder, file), "utf8"), context, { filename: file });
}
const { Bridge, Kusto } = context;
const { DatabaseSymbol, TableSymbol } = Kusto.Language.Symbols;

const { tables, queries } = JSON.parse(readFileSync(0, "utf8"));
const symbols = Object.entries(tables).map(([name, schema]) => new TableSymbol.$ctor7(name, schema, null));
const globals = Kusto.Language.GlobalState.Default.WithDatabase(new DatabaseSymbol.$ctor1("log", symbols));

const problems = {};
for (const [name, text] of Object.entries(queries)) {
  const code = Kusto.Language.KustoCode.ParseAndAnalyze(text, globals);
  problems[name] = Bridge.toArray(code.GetDiagnostics()).map((one) => `${one.Severity} at ${one.Start}: ${one.Message}`);
}
process.stdout.write(JSON.stringify(problems));
