//! echo: what it was given, said of each series, with a label once more.
#![no_std]

mod column;
mod memory;
mod tocsin;

use core::fmt::Write;
use tocsin::{Error, Params, Rule, Verdicts, Window};

#[derive(Default)]
struct Echo {
    words: column::Column<u8>,
    span: f64,
    count: f64,
}

impl Rule for Echo {
    type Memory = ();
    const MANIFEST: &'static str = r#"{
    "abi": {"major": 1, "min_minor": 0}, "name": "echo",
    "params": [{"name": "word", "type": "string"}, {"name": "words", "type": "list(string)"}, {"name": "flag", "type": "bool"},
      {"name": "span", "type": "duration"}, {"name": "count", "type": "int"}, {"name": "pairs", "type": "map(string)"}],
    "inputs": [{"name": "values", "reduce": "last"}]
    }"#;
    const INPUTS: usize = 1;

    fn configure(&mut self, params: &Params) -> Result<(), Error> {
        let _ = write!(self.words, "{} {}", params.text("word", "none"), params.bool("flag", false));
        params.list("words").for_each(|w| drop(write!(self.words, " {}", w)));
        self.span = params.int("span", 0) as f64 / 1e9;
        self.count = params.int("count", 7) as f64;
        Ok(())
    }

    fn eval(&mut self, window: &Window, _: &mut [()], out: &mut Verdicts) -> Result<(), Error> {
        let words = core::str::from_utf8(&self.words).map_err(|_| Error::Internal("not UTF-8"))?;
        for s in window.inputs[0].all() {
            let label = window.series.label(s.index(), "s");
            out.active(s.index(), self.span).threshold(self.count).label("of", label).text(format_args!("{}", words));
        }
        Ok(())
    }
}

export!(Echo);
