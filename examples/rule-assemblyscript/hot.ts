// hot: a series is active while its last value is above a limit.
import { OK, Params, remember, Verdicts, Window } from "./tocsin";

export const MANIFEST = `{
  "abi": {"major": 1, "min_minor": 0}, "name": "hot", "version": "1.0.0",
  "description": "a value above a limit, and for how many evaluations",
  "state": {"version": 1},
  "params": [{"name": "above", "type": "float", "default": 80, "description": "a series above this is active"}],
  "inputs": [{"name": "values", "reduce": "last", "default_range": "5m", "description": "what is compared"}]
}`;
export const INPUTS = 1;

let above: f64 = 80;

// For how many evaluations in a row a series has been above the limit.
const counts = remember(sizeof<u32>());

export function configure(params: Params): i32 {
  above = params.float("above", 80);
  return OK;
}

export function evaluate(window: Window, out: Verdicts): i32 {
  const values = window.inputs[0];
  for (let i: u32 = 0; i < values.length; i++) {
    const s = values.index(i);
    if (values.count(i) == 0 || values.missing(i)) {
      out.unknown(s);
      continue;
    }
    const v = values.last(i);
    if (values.ended(i)) {
      counts.set<u32>(s, 0); // its target no longer has it: left out, so that the engine sees it go
    } else if (v > above) {
      const count = counts.get<u32>(s) + 1;
      counts.set<u32>(s, count);
      out.active(s, v).threshold(above).text("evaluations above: " + count.toString());
    } else {
      counts.set<u32>(s, 0);
      out.healthy(s, v).threshold(above);
    }
  }
  return OK;
}
