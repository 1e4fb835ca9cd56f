//! What was measured of reads, as a table.

use crate::times::{Times, ms};

/// Name, requests a second, times.
pub fn print(rows: &[(String, f64, Times)]) {
    println!("| reads | requests/s | p50 ms | p99 ms |\n| --- | --: | --: | --: |");
    for (name, rate, times) in rows {
        println!("| {name} | {rate:.0} | {:.2} | {:.2} |", ms(times.at(50)), ms(times.at(99)));
    }
    println!();
}
