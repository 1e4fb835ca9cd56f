//! What Iroko adds to libvirt: the time from POST to `running` beside the time `virsh create` takes for
//! the very same domain on the same host, in one run.

use crate::rest::text;
use crate::{Host, Lab, Tenant};
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};

/// Machines measured, and as many creations by hand.
const ROUNDS: usize = 15;
/// Time between two looks at the status: the resolution of what is measured.
const LOOK: Duration = Duration::from_millis(5);
const BOUND: Duration = Duration::from_secs(60);

/// Measures on a lab's first host and prints a table.
pub async fn run(lab: &Lab) -> Result<()> {
    let tenant = Tenant::new(lab).await?;
    let network = tenant.network("ratio", "10.40.0.0/24").await?;
    // The first one brings image and network to the host; later ones find them, as in a cloud that is in use.
    let first = tenant.create("first", &network).await?;
    let cold = Instant::now();
    tenant.until(&first, "running").await?;
    let cold = cold.elapsed();
    let mut ours = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let began = Instant::now();
        let id = tenant.create(&format!("ratio-{round}"), &network).await?;
        while tenant.rest.get(&tenant.path(&id)).await?["status"] != "running" {
            ensure!(began.elapsed() < BOUND, "the machine does not run");
            tokio::time::sleep(LOOK).await;
        }
        ours.push(began.elapsed());
        tenant.delete(&id).await?;
        tenant.until(&id, "deleted").await?;
    }
    let instance = tenant.until(&first, "running").await?;
    let host = lab.host_by_id(text(&instance, "/host_id")?).await?;
    let theirs = by_hand(host, &first).await?;
    print(cold, &mut ours, theirs)
}

/// `virsh create` of the machine's own domain, with its compute-agent held back.
async fn by_hand(host: &Host, id: &str) -> Result<Vec<Duration>> {
    host.hold("compute-agent").await?;
    let name = format!("ik-{id}");
    let xml = host.run(&["virsh", "-q", "dumpxml", "--inactive", &name]).await?;
    host.run(&["virsh", "-q", "destroy", &name]).await?;
    host.run(&["virsh", "-q", "undefine", &name]).await?;
    // The loop is inside the host, so that entering its namespaces is not measured.
    let script = format!(
        "cat >/run/ratio.xml; for i in $(seq {ROUNDS}); do a=$(date +%s%N); virsh -q create /run/ratio.xml >/dev/null || exit 1; \
         b=$(date +%s%N); echo $((b - a)); virsh -q destroy {name} >/dev/null; done"
    );
    let printed = host.run_with(&["bash", "-c", &script], &xml, BOUND * 2).await?;
    host.release("compute-agent")?;
    let nanos: Result<Vec<u64>, _> = printed.lines().map(str::parse).collect();
    Ok(nanos.context("virsh was not timed")?.into_iter().map(Duration::from_nanos).collect())
}

fn print(cold: Duration, ours: &mut [Duration], mut theirs: Vec<Duration>) -> Result<()> {
    ours.sort_unstable();
    theirs.sort_unstable();
    ensure!(ours.len() == ROUNDS && theirs.len() == ROUNDS, "rounds are missing");
    let row = |name: &str, times: &[Duration]| {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        println!("| {name} | {:.0} | {:.0} | {:.0} |", ms(times[0]), ms(times[ROUNDS / 2]), ms(times[ROUNDS - 1]));
    };
    println!("| what, {ROUNDS} times | min ms | median ms | max ms |\n| --- | --: | --: | --: |");
    row("POST to `running`", ours);
    row("`virsh create` of the same domain", &theirs);
    let ratio = ours[ROUNDS / 2].as_secs_f64() / theirs[ROUNDS / 2].as_secs_f64();
    println!(
        "\nratio of the medians: {ratio:.2}; the first machine, which fetches image and network: {:.0} ms",
        cold.as_secs_f64() * 1000.0
    );
    Ok(())
}
