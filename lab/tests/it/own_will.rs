//! What guests do by themselves, and a host's disk that is full under one.

use crate::fixture::Fixture;
use crate::needs_lab;
use anyhow::{Context, Result, ensure};
use iroko_lab::traces::settled;
use iroko_lab::{Guest, Lab, Tenant};
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);
/// A boot on a busy machine, as [`Guest::until_up`] bounds it.
const BOOT: Duration = Duration::from_secs(180);
/// The small file system a guest's files are on, and what makes room.
const SMALL: &str = "size=24m";
const LARGE: &str = "size=200m";

#[tokio::test(flavor = "multi_thread")]
async fn guests_go_down_as_they_wish_and_hold_while_there_is_no_room() {
    needs_lab!();
    let fixture = Fixture::new(1).await;
    fixture.run(scenario(&fixture.lab)).await;
}

async fn scenario(lab: &Lab) -> Result<()> {
    let tenant = Tenant::new(lab).await?;
    let network = tenant.network("archives", "10.38.0.0/24").await?;
    let id = tenant.create("alpha", &network).await?;
    let guest = tenant.guest(lab, &id).await?;
    guest.until_up().await?;

    // A reboot from inside is the guest's own business.
    leave(&guest, "reboot -f").await?;
    anew(&tenant, &id, &guest).await.context("a reboot")?;
    // A killed emulator is nobody's wish.
    guest.must("touch /run/before").await?;
    let emulator = format!("pgrep -f 'guest=[^,]*{id}' | head -n 1 | xargs kill -9");
    guest.host.run(&["sh", "-c", &emulator]).await?;
    anew(&tenant, &id, &guest).await.context("a killed emulator")?;

    // A shutdown from inside is a wish: also over the deaths of the agent and of libvirtd.
    leave(&guest, "poweroff -f").await?;
    let off = tenant.until(&id, "stopped").await?;
    ensure!(off["guest_shutdown_at"].is_string(), "{off}");
    guest.host.kill("compute-agent").await?;
    guest.host.kill("libvirtd").await?;
    settled(lab).await?;
    tenant.until(&id, "stopped").await?;
    tenant.act(&id, "start").await?;
    tenant.until(&id, "running").await?;
    guest.until_up().await?;
    // Unless its owner wants it started again.
    tenant.rest.patch(&tenant.path(&id), &json!({"on_guest_shutdown": "start_again"})).await?;
    leave(&guest, "poweroff -f").await?;
    anew(&tenant, &id, &guest).await.context("a shutdown of a guest that shall start again")?;

    full(lab, &tenant, &id, &guest).await
}

async fn full(lab: &Lab, tenant: &Tenant, id: &str, guest: &Guest) -> Result<()> {
    tenant.act(id, "stop").await?;
    tenant.until(id, "stopped").await?;
    let dir = guest.host.compute_dir().join("instances").join(id);
    let dir = dir.display();
    // Its directory becomes a small file system, in the host's namespaces only.
    let small = format!(
        "set -e; cp -a {dir} {dir}.copy; mount -t tmpfs -o {SMALL},mode=711 full {dir}; cp -a {dir}.copy/. {dir}/; rm -r {dir}.copy"
    );
    guest.host.run(&["sh", "-c", &small]).await?;
    tenant.act(id, "start").await?;
    tenant.until(id, "running").await?;
    guest.until_up().await?;
    let write = "(dd if=/dev/urandom of=/dev/vda bs=1M seek=100 count=60 conv=fsync) >/dev/null 2>&1 &";
    guest.must(write).await?;
    let held = tenant.until(id, "paused").await?;
    ensure!(held["status_reason"].as_str().is_some_and(|reason| reason.contains("full")), "{held}");
    guest.host.run(&["mount", "-o", &format!("remount,{LARGE}"), &dir.to_string()]).await?;
    tenant.until(id, "running").await?;
    guest.until("true", SOON).await?;
    // Held again, it can be stopped and deleted.
    guest.host.run(&["mount", "-o", &format!("remount,{LARGE}"), &dir.to_string()]).await?;
    let write = "(dd if=/dev/urandom of=/dev/vda bs=1M seek=200 count=240 conv=fsync) >/dev/null 2>&1 &";
    guest.must(write).await?;
    tenant.until(id, "paused").await?;
    tenant.act(id, "stop").await?;
    tenant.until(id, "stopped").await?;
    guest.host.run(&["umount", &dir.to_string()]).await?;
    tenant.delete(id).await?;
    tenant.until(id, "deleted").await?;
    settled(lab).await
}

/// The guest is about to leave in the middle of whatever it is asked.
async fn leave(guest: &Guest, command: &str) -> Result<()> {
    guest.must("touch /run/before").await?;
    guest.must(&format!("(sleep 1; {command}) >/dev/null 2>&1 &")).await.map(drop)
}

/// Waits until it is up again, and is another life. Says what its console says where it is not.
async fn anew(tenant: &Tenant, id: &str, guest: &Guest) -> Result<()> {
    let Err(error) = guest.until("test ! -e /run/before", BOOT).await else { return Ok(()) };
    let console = tenant.rest.get(&format!("{}/console-log", tenant.path(id))).await?;
    Err(error.context(format!("its console: {}", console["output"].as_str().unwrap_or_default())))
}
