//! hot: a series is active while its last value is above a limit.
#![no_std]

mod column;
mod memory;
mod tocsin;

use tocsin::{Error, Params, Rule, Verdicts, Window};

#[derive(Default)]
struct Hot {
    above: f64,
}

impl Rule for Hot {
    type Memory = u32; // for how many evaluations in a row a series has been above the limit

    const MANIFEST: &'static str = r#"{
        "abi": {"major": 1, "min_minor": 0}, "name": "hot", "version": "1.0.0",
        "description": "a value above a limit, and for how many evaluations",
        "state": {"version": 1},
        "params": [{"name": "above", "type": "float", "default": 80, "description": "a series above this is active"}],
        "inputs": [{"name": "values", "reduce": "last", "default_range": "5m", "description": "what is compared"}]
    }"#;
    const INPUTS: usize = 1;

    fn configure(&mut self, params: &Params) -> Result<(), Error> {
        self.above = params.float("above", 80.0);
        Ok(())
    }

    fn eval(&mut self, window: &Window, counts: &mut [u32], out: &mut Verdicts) -> Result<(), Error> {
        for s in window.inputs[0].all() {
            let count = &mut counts[s.index() as usize];
            match s.value() {
                Some(v) if !s.missing() => {
                    if s.ended() {
                        *count = 0; // its target no longer has it: left out, so that the engine sees it go
                    } else if v > self.above {
                        *count += 1;
                        out.active(s.index(), v).threshold(self.above).text(format_args!("evaluations above: {}", count));
                    } else {
                        *count = 0;
                        out.healthy(s.index(), v).threshold(self.above);
                    }
                }
                _ => {
                    out.unknown(s.index());
                }
            }
        }
        Ok(())
    }
}

export!(Hot);
