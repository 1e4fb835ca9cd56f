//! What a tenant or an operator confides to a cloud lies on its machines so that no other user of them reads it.

use crate::fixture::Fixture;
use crate::needs_lab;
use anyhow::{Context, Result, ensure};
use iroko_lab::{Lab, Tenant};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// User data by which copies of it are found.
const SECRET: &str = "a-password-that-nobody-else-shall-read";

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_reads_what_daemons_write() {
    needs_lab!();
    let fixture = Fixture::new(1).await;
    fixture.run(scenario(&fixture.lab)).await;
}

async fn scenario(lab: &Lab) -> Result<()> {
    let tenant = Tenant::new(lab).await?;
    let network = tenant.network("archives", "10.37.0.0/24").await?;
    let more = json!({"user_data": format!("#cloud-config\n# {SECRET}\n")});
    let id = tenant.create_with("alpha", &network, more).await?;
    let instance = tenant.until(&id, "running").await?;
    tenant.guest(lab, &id).await?.until_up().await?;
    ensure!(instance["status"] == "running", "{instance}");

    let root = lab.dir.join("hosts/1/root");
    let daemons = ["compute", "compute-agent", "net-agent", "run/iroko"].map(|name| root.join(name));
    let mut seen = vec![];
    for dir in daemons.iter().chain([&lab.dir.join("api")]) {
        walk(dir, &mut seen).with_context(|| format!("walking {}", dir.display()))?;
    }
    ensure!(seen.iter().filter(|path| holds_secret(path)).count() >= 2, "the seed and the desired state hold it");
    for path in &seen {
        let others = fs::symlink_metadata(path)?.permissions().mode() & 0o077;
        // dnsmasq reads names and addresses as a user of its own.
        let is_for_dnsmasq = path.components().any(|part| part.as_os_str() == "dnsmasq");
        let is_passage = path.is_dir() && others & 0o066 == 0;
        ensure!(others == 0 || is_passage || is_for_dnsmasq, "{} is open to others: {others:o}", path.display());
        ensure!(others & 0o044 == 0 || !holds_secret(path), "{} shows the secret", path.display());
    }
    Ok(())
}

/// All files and directories below one, itself included.
fn walk(path: &Path, seen: &mut Vec<PathBuf>) -> io::Result<()> {
    seen.push(path.to_owned());
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            match walk(&entry?.path(), seen) {
                // What a daemon has just removed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                walked => walked?,
            }
        }
    }
    seen.retain(|path| path.symlink_metadata().is_ok());
    Ok(())
}

fn holds_secret(path: &Path) -> bool {
    path.is_file() && fs::read(path).is_ok_and(|bytes| bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes()))
}
