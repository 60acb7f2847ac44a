// echo: what it was given, said of each series, with a label once more.
import { OK, Params, Verdicts, Window } from "./tocsin";

export const MANIFEST = `{
    "abi": {"major": 1, "min_minor": 0}, "name": "echo",
    "params": [{"name": "word", "type": "string"}, {"name": "words", "type": "list(string)"}, {"name": "flag", "type": "bool"},
      {"name": "span", "type": "duration"}, {"name": "count", "type": "int"}, {"name": "pairs", "type": "map(string)"}],
    "inputs": [{"name": "values", "reduce": "last"}]
}`;
export const INPUTS = 1;

let words = "";
let span: f64 = 0;
let count: f64 = 0;

export function configure(params: Params): i32 {
  words = [params.text("word", "none"), params.bool("flag", false).toString()].concat(params.list("words")).join(" ");
  span = <f64>params.int("span", 0) / 1e9;
  count = <f64>params.int("count", 7);
  return OK;
}

export function evaluate(window: Window, out: Verdicts): i32 {
  const values = window.inputs[0];
  for (let i: u32 = 0; i < values.length; i++) {
    const s = values.index(i);
    out.active(s, span).threshold(count).label("of", window.series.label(s, "s")).text(words);
  }
  return OK;
}
