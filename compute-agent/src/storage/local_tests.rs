//! The real storage with the real qemu-img.

use super::*;
use bytes::Bytes;
use futures::StreamExt;
use iroko_agent_link::{ImageError, ImageStream};
use iroko_agent_wire::ImageSpec;
use iroko_model::image::DiskFormat;
use iroko_model::{Hostname, ImageId, Resources};
use sha2::{Digest, Sha256};
use std::process::Command;

const IMAGE_BYTES: usize = 1 << 20;

struct Zeros;

#[async_trait::async_trait]
impl ImageSource for Zeros {
    async fn image(&self, _: ImageId, offset: u64) -> Result<ImageStream, ImageError> {
        let rest = Bytes::from(vec![0; IMAGE_BYTES - usize::try_from(offset).unwrap()]);
        Ok(futures::stream::once(async move { Ok(rest) }).boxed())
    }
}

fn spec() -> InstanceSpec {
    InstanceSpec {
        id: InstanceId::new(),
        generation: 1,
        power: iroko_model::instance::Power::Running,
        operation: None,
        hostname: Hostname::try_from("web-1".to_owned()).unwrap(),
        resources: Resources { vcpus: 1, memory_mib: 128, disk_gib: 2 },
        image: ImageSpec {
            id: ImageId::new(),
            format: DiskFormat::Raw,
            sha256: Sha256::digest(vec![0; IMAGE_BYTES]).iter().map(|byte| format!("{byte:02x}")).collect(),
            size_bytes: IMAGE_BYTES as u64,
            virtual_size_bytes: IMAGE_BYTES as u64,
        },
        nics: vec![],
        ssh_keys: vec![],
        user_data: None,
        user_data_is_base64: false,
        has_run: false,
        on_guest_shutdown: Default::default(),
    }
}

fn open(directory: &tempfile::TempDir) -> LocalStorage {
    let config = Config { state_dir: directory.path().to_owned(), ..Config::default() };
    LocalStorage::open(&config, Arc::new(Zeros)).unwrap()
}

fn record(spec: &InstanceSpec) -> Record {
    Record::new(spec.id, 1, crate::image::file_name(&spec.image), Life::Building, Operation::done(0))
}

/// The test needs qemu-img; says so where it is missing.
fn has_qemu_img() -> bool {
    let found = Command::new("qemu-img").arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: qemu-img is not installed");
    }
    found
}

#[tokio::test]
async fn an_instance_is_made_found_again_and_removed() {
    if !has_qemu_img() {
        return;
    }
    let (directory, spec) = (tempfile::tempdir().unwrap(), spec());
    let storage = open(&directory);
    storage.save(&record(&spec)).await.unwrap();
    storage.make_disk(&spec).await.unwrap();
    storage.make_seed(&spec).await.unwrap();
    let held = open(&directory).look(spec.id).await.unwrap();
    assert_eq!(held, Held { record: Some(record(&spec)), disk: true, seed: true, litter: true });

    let files = storage.files(&spec);
    let info = Command::new("qemu-img").args(["info", "--output=json"]).arg(&files.disk).output().unwrap();
    let info: serde_json::Value = serde_json::from_slice(&info.stdout).unwrap();
    assert_eq!(info["virtual-size"], 2u64 << 30);
    assert_eq!((info["format"].as_str(), info["backing-filename-format"].as_str()), (Some("qcow2"), Some("raw")));
    assert_eq!(info["backing-filename"].as_str(), files.backing.to_str());

    storage.tidy().await.unwrap();
    assert!(files.backing.exists(), "an image with a disk over it is in use");
    storage.remove_files(spec.id).await.unwrap();
    assert_eq!(storage.look(spec.id).await.unwrap(), Held { record: Some(record(&spec)), ..Held::default() });
    storage.remove_all(spec.id).await.unwrap();
    storage.remove_all(spec.id).await.unwrap();
    assert!(storage.instances().await.unwrap().is_empty());
}

#[tokio::test]
async fn half_made_files_do_not_count() {
    if !has_qemu_img() {
        return;
    }
    let (directory, spec) = (tempfile::tempdir().unwrap(), spec());
    let storage = open(&directory);
    storage.save(&record(&spec)).await.unwrap();
    for name in ["disk.qcow2.tmp", "seed.img.tmp", "record.json.tmp"] {
        fs::write(storage.directory(spec.id).join(name), b"half").unwrap();
    }
    let held = storage.look(spec.id).await.unwrap();
    assert_eq!((held.disk, held.seed, held.litter), (false, false, true));
    storage.make_disk(&spec).await.unwrap();
    storage.make_seed(&spec).await.unwrap();
    let held = storage.look(spec.id).await.unwrap();
    assert_eq!((held.disk, held.seed), (true, true));
    storage.remove_all(spec.id).await.unwrap();
    assert!(storage.instances().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_damaged_record_protects_the_disk() {
    let (directory, spec) = (tempfile::tempdir().unwrap(), spec());
    let storage = open(&directory);
    storage.save(&record(&spec)).await.unwrap();
    fs::write(storage.directory(spec.id).join(RECORD), b"{").unwrap();
    assert_eq!(storage.look(spec.id).await.unwrap().record.unwrap().life, Life::Born);
}

#[tokio::test]
async fn refusals_say_what_would_do() {
    let (directory, mut spec) = (tempfile::tempdir().unwrap(), spec());
    spec.image.virtual_size_bytes = 3 << 30;
    let error = open(&directory).make_disk(&spec).await.unwrap_err();
    assert!(error.is_permanent() && error.public().contains("at least 3 GiB"), "{}", error.public());
}

#[tokio::test]
async fn a_qemu_img_that_hangs_or_is_missing_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("hangs");
    fs::write(&script, "#!/bin/sh\nexec tail -f /dev/null\n").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let run = async |program: &Path| {
        let qemu_img = QemuImg { program: program.to_owned(), timeout: Duration::from_millis(50) };
        qemu_img.create_overlay(&directory.path().join("x"), Path::new("/y"), DiskFormat::Raw, 1).await.unwrap_err()
    };
    assert!(matches!(run(&script).await, disk::QemuImgError::Late(_)));
    assert!(matches!(run(Path::new("/nonexistent")).await, disk::QemuImgError::Start(_)));
}

#[tokio::test]
async fn nobody_else_reads_an_instance_whatever_an_older_release_left() {
    use std::os::unix::fs::PermissionsExt;
    if !has_qemu_img() {
        return;
    }
    let (directory, spec) = (tempfile::tempdir().unwrap(), spec());
    let storage = open(&directory);
    storage.save(&record(&spec)).await.unwrap();
    storage.make_disk(&spec).await.unwrap();
    storage.make_seed(&spec).await.unwrap();
    let files = || {
        let dirs = [directory.path().join("images"), directory.path().join("instances").join(spec.id.to_string())];
        dirs.into_iter()
            .flat_map(|dir| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()))
            .collect::<Vec<_>>()
    };
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(files().len(), 4, "image, record, disk, seed: {:?}", files());
    for path in files() {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    }
    drop(storage);
    open(&directory);
    for path in files() {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn what_fails_gives_back_what_it_took() {
    let (directory, spec) = (tempfile::tempdir().unwrap(), spec());
    let files = |folder: &str| fs::read_dir(directory.path().join(folder)).unwrap().count();
    let instance = format!("instances/{}", spec.id);
    // A disk that is full to the operator's mark: nothing is fetched.
    let config = Config { state_dir: directory.path().to_owned(), keep_free_mib: u64::MAX, ..Config::default() };
    let storage = LocalStorage::open(&config, Arc::new(Zeros)).unwrap();
    storage.save(&record(&spec)).await.unwrap();
    let error = storage.make_disk(&spec).await.unwrap_err();
    assert!(error.is_full() && !error.is_permanent() && error.public().contains("full"), "{error:?}");
    assert!(storage.room().await.unwrap().is_full);
    assert_eq!((files("images"), files(&instance)), (0, 1), "nothing but the record");
    // A disk that could not be made: no half of it stays.
    let config = Config { state_dir: directory.path().to_owned(), qemu_img: "false".into(), ..Config::default() };
    let storage = LocalStorage::open(&config, Arc::new(Zeros)).unwrap();
    assert!(matches!(storage.make_disk(&spec).await, Err(StorageError::QemuImg(_))));
    assert_eq!(files(&instance), 1, "nothing but the record");
}
