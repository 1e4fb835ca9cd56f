//! The tiny test guest, which runs the shell commands it is sent (see `lab/images/tiny-image.sh`).

use crate::host::Host;
use crate::wait::until;
use anyhow::{Context, Result};
use serde_json::Value;
use std::time::Duration;

/// Boots in seconds; a busy machine may take much longer.
const BOOT: Duration = Duration::from_secs(180);
/// One command.
const COMMAND: Duration = Duration::from_secs(60);
/// Marks the end of a command's output.
const DONE: &str = "IROKO-DONE";

/// A guest and where it is.
#[derive(Debug, Clone)]
pub struct Guest {
    /// Its first address.
    pub ip: String,
    /// Its Ethernet address.
    pub mac: String,
    /// Its network.
    pub network: String,
    /// Its host.
    pub host: Host,
}

impl Guest {
    /// The guest of an instance as the API shows it, on `host`.
    pub fn of(instance: &Value, host: &Host) -> Result<Self> {
        let text = |pointer: &str| {
            let text = instance.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            text.with_context(|| format!("no {pointer} in {instance}"))
        };
        Ok(Self {
            ip: text("/interfaces/0/ip_addresses/0")?,
            mac: text("/interfaces/0/mac_address")?,
            network: text("/interfaces/0/network_id")?,
            host: host.clone(),
        })
    }

    /// Runs a shell command in the guest; what it printed, and whether it succeeded.
    pub async fn sh(&self, command: &str) -> Result<(bool, String)> {
        let input = format!("({command}) 2>&1; echo {DONE} $?\nexit\n");
        let words = ["timeout", "55", "busybox", "nc", &self.ip, "7777"];
        let printed = self.host.run_beside(&self.network, &words, &input, COMMAND).await?;
        let (output, code) =
            printed.rsplit_once(DONE).with_context(|| format!("{command}: it broke off: {printed}"))?;
        Ok((code.trim() == "0", output.trim_end().to_owned()))
    }

    /// As [`Self::sh`], for a command that must succeed.
    pub async fn must(&self, command: &str) -> Result<String> {
        let (ok, output) = self.sh(command).await?;
        anyhow::ensure!(ok, "{} in {}: {output}", command, self.ip);
        Ok(output)
    }

    /// Waits until it takes commands.
    pub async fn until_up(&self) -> Result<()> {
        let up = || async { self.sh("true").await.map(drop).map_err(|error| format!("{error:#}")) };
        until(&format!("the guest {} takes commands", self.ip), BOOT, up).await
    }

    /// Waits until a command in it succeeds.
    pub async fn until(&self, command: &str, bound: Duration) -> Result<String> {
        let done = || async {
            match self.sh(command).await {
                Ok((true, output)) => Ok(output),
                Ok((false, output)) => Err(output),
                Err(error) => Err(format!("{error:#}")),
            }
        };
        until(&format!("{command} in {}", self.ip), bound, done).await
    }
}
