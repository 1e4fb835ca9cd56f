//! A libvirtd of a test's own, in namespaces of its own: mounts, processes, network. Whatever
//! happens to the test, the end of the namespaces' first process takes all of it along.

use futures::StreamExt;
use iroko_agent_link::{ImageError, ImageSource, ImageStream};
use iroko_agent_wire::ImageSpec;
use iroko_model::ImageId;
use iroko_model::image::DiskFormat;
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BOUND: Duration = Duration::from_secs(30);

/// Runs in the namespaces: gives libvirtd directories of its own and starts it again when it dies.
const INIT: &str = r#"
set -eu
for dir in /run /var/lib/libvirt /etc/libvirt /var/log/libvirt /var/cache/libvirt; do
  mkdir -p "$dir" "$1/root$dir"
  mount --bind "$1/root$dir" "$dir"
done
ip link set lo up
while true; do
  while [ -e "$1/hold" ]; do sleep 0.05; done
  [ ! -e "$1/tidy" ] || "$2" forget-lost-starts || true
  libvirtd --config /etc/libvirt/libvirtd.conf --pid-file /run/libvirtd.pid >>"$1/libvirtd.log" 2>&1 || true
done
"#;

const QEMU_CONF: &str = r#"
security_driver = "none"
dynamic_ownership = 0
namespaces = []
user = "root"
group = "root"
cgroup_controllers = []
stdio_handler = "file"
"#;

const LIBVIRTD_CONF: &str = r#"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
"#;

pub struct Daemon {
    directory: tempfile::TempDir,
    child: Child,
}

impl Daemon {
    pub fn start() -> Result<Self, String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("a private libvirtd needs root".into());
        }
        for tool in ["libvirtd", "virsh", "setpriv", "unshare", "nsenter", "ip", "qemu-img", "qemu-system-x86_64"] {
            which(tool)?;
        }
        let directory = tempfile::Builder::new().prefix("iroko-libvirt-").tempdir().map_err(|e| e.to_string())?;
        let etc = directory.path().join("root/etc/libvirt");
        fs::create_dir_all(&etc).unwrap();
        fs::write(etc.join("qemu.conf"), QEMU_CONF).unwrap();
        fs::write(etc.join("libvirtd.conf"), LIBVIRTD_CONF).unwrap();
        let child = namespaces(directory.path())?;
        let daemon = Self { directory, child };
        daemon.until_listening();
        Ok(daemon)
    }

    /// The host loses power: every process and network device is gone, and what is below /run.
    pub fn reboot(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        fs::remove_dir_all(self.path().join("root/run")).unwrap();
        self.child = namespaces(self.path()).unwrap();
        self.until_listening();
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn uri(&self) -> String {
        format!("qemu+unix:///system?socket={}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.path().join("root/run/libvirt/libvirt-sock")
    }

    /// A command inside the namespaces; its output.
    fn inside(&self, words: &[&str]) -> String {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let init = children.split_whitespace().next().expect("the namespaces' first process lives");
        let output = Command::new("nsenter").args(["--all", "--target", init, "--"]).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn until_listening(&self) {
        let end = Instant::now() + BOUND;
        while virsh(&self.uri(), &["uri"]).is_err() {
            assert!(Instant::now() < end, "libvirtd never listened:\n{}", self.log());
            std::thread::yield_now();
        }
    }

    /// As the net-agent would make it.
    pub fn tap(&self, name: &str) {
        self.inside(&["ip", "tuntap", "add", "dev", name, "mode", "tap", "vnet_hdr", "multi_queue"]);
        self.inside(&["ip", "link", "set", name, "up"]);
    }

    /// `kill -9`; it comes back by itself.
    pub fn kill_libvirtd(&self) {
        let pid = fs::read_to_string(self.path().join("root/run/libvirtd.pid")).unwrap();
        self.inside(&["kill", "-9", pid.trim()]);
        self.until_listening();
    }

    /// libvirtd is killed in the moment of a start when its status file says process 0, and comes back. Made by
    /// hand from the status of a domain that runs: the moment itself lasts some milliseconds.
    pub fn lose_start(&self, domain: &str) {
        let hold = self.path().join("hold");
        fs::write(&hold, "").unwrap();
        let pid = fs::read_to_string(self.path().join("root/run/libvirtd.pid")).unwrap();
        self.inside(&["kill", "-9", pid.trim()]);
        let emulator = format!("guest={domain},");
        self.inside(&["pkill", "-9", "-f", &emulator]);
        let path = self.path().join(format!("root/run/libvirt/qemu/{domain}.xml"));
        let status = fs::read_to_string(&path).unwrap();
        let (head, rest) = status.split_once("<domstatus ").unwrap();
        let (_, rest) = rest.split_once('>').unwrap();
        let lost = format!(
            "{head}<domstatus state='paused' reason='starting up' pid='0'>\n  <job type='none' async='start' flags='0x0' asyncStarted='1'/>{rest}"
        );
        fs::write(&path, lost).unwrap();
        fs::remove_file(hold).unwrap();
        self.until_listening();
    }

    /// From now on lost starts are forgotten before libvirtd starts.
    pub fn tidy(&self) {
        fs::write(self.path().join("tidy"), "").unwrap();
    }

    pub fn state(&self, domain: &str) -> String {
        virsh(&self.uri(), &["domstate", domain]).unwrap()
    }

    /// Process ids of the emulators, as the daemon's own namespace counts them.
    pub fn emulators(&self) -> Vec<String> {
        let found = self.inside(&["sh", "-c", "pgrep -f [q]emu-system || true"]);
        found.lines().map(str::to_owned).collect()
    }

    /// Names of all domains.
    pub fn domains(&self) -> String {
        virsh(&self.uri(), &["list", "--all", "--name"]).unwrap()
    }

    pub fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.path().join(name)).unwrap_or_default();
        format!("{}{}", read("init.log"), read("libvirtd.log"))
    }
}

fn namespaces(directory: &Path) -> Result<Child, String> {
    // Also a test that is killed takes them along.
    let mut command = Command::new("setpriv");
    command.args([
        "--pdeathsig",
        "KILL",
        "unshare",
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "bash",
        "-c",
        INIT,
        "init",
    ]);
    command.arg(directory).arg(env!("CARGO_BIN_EXE_iroko-compute-agent")).stdin(Stdio::null()).process_group(0);
    let log = fs::File::options().create(true).append(true).open(directory.join("init.log")).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().map_err(|e| e.to_string())
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn virsh(uri: &str, words: &[&str]) -> Result<String, String> {
    let output = Command::new("virsh").args(["-q", "-c", uri]).args(words).output().map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn which(tool: &str) -> Result<(), String> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).any(|path| path.join(tool).exists());
    if found { Ok(()) } else { Err(format!("{tool} is not installed")) }
}

/// The tiny guest: IROKO_TINY_IMAGE, or built once by its script.
pub fn tiny_image() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("IROKO_TINY_IMAGE") {
        return Ok(path.into());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let path = root.join("target/lab-images/tiny.qcow2");
    if !path.exists() {
        let output =
            Command::new(root.join("lab/images/tiny-image.sh")).arg(&path).output().map_err(|e| e.to_string())?;
        if !output.status.success() {
            return Err(format!("no tiny image: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    Ok(path)
}

pub fn image_spec(path: &Path) -> ImageSpec {
    let bytes = fs::read(path).unwrap();
    ImageSpec {
        id: ImageId::new(),
        format: DiskFormat::Qcow2,
        sha256: Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
        size_bytes: bytes.len() as u64,
        virtual_size_bytes: iroko_model::image::qcow2::header(&bytes[..104]).unwrap().virtual_size,
    }
}

/// Every image is this file.
pub struct FileSource(pub PathBuf);

#[async_trait::async_trait]
impl ImageSource for FileSource {
    async fn image(&self, _: ImageId, offset: u64) -> Result<ImageStream, ImageError> {
        let bytes = tokio::fs::read(&self.0).await.map_err(|e| ImageError::Unreachable(Box::new(e)))?;
        let rest = bytes::Bytes::from(bytes).slice(usize::try_from(offset).unwrap()..);
        Ok(futures::stream::once(async move { Ok(rest) }).boxed())
    }
}
