//! hot: a series is active while its last value is above a limit.
#![no_std]

mod column;
mod tocsin;

use column::Column;
use tocsin::{Dictionary, Error, Params, Rule, Verdicts, Window};

#[derive(Default)]
struct Hot {
    above: f64,
    count: Column<u32>, // for how many evaluations in a row a series has been above the limit, by its index
    moved: Column<u32>, // scratch
}

impl Rule for Hot {
    const MANIFEST: &'static str = r#"{
        "abi": {"major": 1, "min_minor": 0}, "name": "hot", "version": "1.0.0",
        "description": "a value above a limit, and for how many evaluations",
        "params": [{"name": "above", "type": "float", "default": 80, "description": "a series above this is active"}],
        "inputs": [{"name": "values", "reduce": "last", "default_range": "5m", "description": "what is compared"}]
    }"#;
    const INPUTS: usize = 1;

    fn configure(&mut self, params: &Params) -> Result<(), Error> {
        self.above = params.float("above", 80.0);
        Ok(())
    }

    // Series came or went, or stand at other places: their counts move with them.
    fn series(&mut self, series: &Dictionary) -> Result<(), Error> {
        self.moved.clear();
        for &before in series.remap {
            self.moved.push(self.count.get(before as usize).copied().unwrap_or(0))?;
        }
        core::mem::swap(&mut self.count, &mut self.moved);
        Ok(())
    }

    fn eval(&mut self, window: &Window, out: &mut Verdicts) -> Result<(), Error> {
        for s in window.inputs[0].all() {
            let count = &mut self.count[s.index() as usize];
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
