// What the engine calls: the same for every rule. It expects MANIFEST, INPUTS, configure and evaluate of the rule.
import { BAD_CONFIG, BAD_INPUT, buffer, describe, Dictionary, fail, follow, forget, OK, Params, restore, snapshot, Verdicts, Window } from "./tocsin";
import { configure, evaluate, INPUTS, MANIFEST } from "./hot";

let configured = false;
let dictionary: Dictionary | null = null;
const out = new Verdicts();

export function tocsin_abi_v1(): void {}
export function tocsin_describe(): i32 { return describe(MANIFEST); }
export function tocsin_buffer(slot: u32, size: u32): usize { return buffer(slot, size); }

export function tocsin_configure(_rule: i32, at: usize, n: u32): i32 {
  const params = Params.read(at, n);
  dictionary = null;
  forget();
  if (!params) return fail(BAD_CONFIG, "malformed parameters");
  const status = configure(params);
  configured = status == OK;
  return status;
}

export function tocsin_series(_rule: i32, at: usize, n: u32): i32 {
  dictionary = Dictionary.read(at, n);
  if (!configured || !dictionary) return fail(BAD_INPUT, "malformed series, or series before parameters");
  follow(dictionary!);
  __collect(); // here nothing on the stack is needed any more: the minimal runtime does not look there
  return OK;
}

export function tocsin_snapshot(_rule: i32): i32 { return snapshot(dictionary); }

export function tocsin_restore(_rule: i32, at: usize, n: u32): i32 {
  return configured ? restore(at, n) : fail(BAD_INPUT, "a state before parameters");
}

export function tocsin_eval(_rule: i32, at: usize, n: u32): i32 {
  const window = Window.read(at, n, dictionary, INPUTS);
  if (!window) return fail(BAD_INPUT, "a malformed window, or one over series that were not given");
  out.reset();
  let status = evaluate(window, out);
  if (status == OK) status = out.emit();
  __collect();
  return status;
}
