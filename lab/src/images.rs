//! Guest images, built by the scripts in `lab/images`.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The directory of the lab's scripts.
pub fn scripts() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The tiny guest: boots in seconds, runs the commands it is sent.
pub async fn tiny() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("IROKO_TINY_IMAGE") {
        return Ok(path.into());
    }
    built("tiny-image.sh", "tiny.qcow2", &[]).await
}

/// The tiny guest with keepalived in it.
pub async fn keepalived() -> Result<PathBuf> {
    built("tiny-image.sh", "tiny-keepalived.qcow2", &["keepalived", "/usr/sbin/keepalived"]).await
}

/// Debian 12 with cloud-init.
pub async fn debian() -> Result<PathBuf> {
    built("debian-image.sh", "debian-12.qcow2", &[]).await
}

async fn built(script: &str, name: &str, more: &[&str]) -> Result<PathBuf> {
    let root = scripts().parent().context("the lab has no parent directory")?;
    let path = root.join("target/lab-images").join(name);
    if path.exists() {
        return Ok(path);
    }
    let output = Command::new(scripts().join("images").join(script)).arg(&path).args(more).output().await;
    let output = output.with_context(|| format!("running {script}"))?;
    ensure!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(path)
}
