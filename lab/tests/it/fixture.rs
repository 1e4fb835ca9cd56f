//! A lab for one test.

use iroko_lab::{Lab, Options};
use std::path::PathBuf;

/// Why no lab can run here; none where it can.
pub fn missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("a lab needs root".to_owned());
    }
    let tools =
        ["libvirtd", "virsh", "qemu-system-x86_64", "qemu-img", "nft", "dnsmasq", "ip", "nsenter", "busybox", "psql"];
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |tool: &str| std::env::split_paths(&paths).any(|path| path.join(tool).exists());
    tools.into_iter().find(|tool| !is_there(tool)).map(|tool| format!("a lab needs {tool}"))
}

/// Skips a test, visibly, where no lab can run.
#[macro_export]
macro_rules! needs_lab {
    () => {
        if let Some(why) = $crate::fixture::missing() {
            eprintln!("skipped: {why}");
            return;
        }
    };
}

/// A running lab whose files vanish with it.
pub struct Fixture {
    pub lab: Lab,
    _dir: tempfile::TempDir,
}

impl Fixture {
    pub async fn new(hosts: u8) -> Self {
        let dir = tempfile::Builder::new().prefix("iroko-lab-").tempdir().unwrap();
        // The database's user enters it.
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        // Labs of tests that run at once differ; 0 to 9 are left to people.
        let number = 10 + (std::process::id() % 240) as u8;
        let programs = PathBuf::from(env!("CARGO_BIN_EXE_iroko-lab")).parent().unwrap().to_owned();
        let options =
            Options { dir: dir.path().join("lab"), number, hosts, port: 0, programs: Some(programs), detached: false };
        let lab = Lab::start(&options).await.unwrap();
        Self { lab, _dir: dir }
    }

    /// Runs a scenario; where it fails, says what the daemons logged.
    pub async fn run(&self, scenario: impl Future<Output = anyhow::Result<()>>) {
        if let Err(error) = scenario.await {
            panic!("{error:#}\n{}", self.lab.logs());
        }
    }
}
