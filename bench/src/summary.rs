//! What was measured of machines, as tables.

use crate::load::Made;
use crate::process::Usage;
use crate::times::ms;

/// The head of the table of rounds.
pub fn begin_rounds() {
    println!(
        "| requests at a time | machines/s | POST p50 ms | POST p95 ms | to running p50 ms | p95 ms | deletes/s | \
         API ms | scheduler ms | PostgreSQL ms | hosts ms | client ms |"
    );
    println!("| --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |");
}

/// One round; the processor time of each part is that of its creation, for each machine.
pub fn round(concurrency: usize, made: &Made, deletes_per_s: f64, making: &Usage) {
    let (posts, runs) = (&made.posts, &made.runs);
    let [post50, post95, run50, run95] = [posts.at(50), posts.at(95), runs.at(50), runs.at(95)].map(ms);
    let each = making.seconds.iter().map(|used| format!("{:.2}", 1000.0 * used / made.ids.len().max(1) as f64));
    let each: Vec<_> = each.collect();
    println!(
        "| {concurrency} | {:.0} | {post50:.1} | {post95:.1} | {run50:.0} | {run95:.0} | {deletes_per_s:.0} | {} |",
        made.per_s(),
        each.join(" | ")
    );
}

/// What the last columns mean.
pub fn processors() {
    println!(
        "\nThe last five columns: milliseconds of processor time for each machine, from the first POST to the last machine that runs.\n"
    );
}
