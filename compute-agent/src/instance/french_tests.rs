//! Every reason that a tenant is told has its French in the API's catalogue.

use super::failure::StepError;
use super::task::REASONS;
use crate::hypervisor::HypervisorError;
use crate::image::CacheError;
use crate::seed::SeedError;
use crate::storage::StorageError;
use iroko_model::{ImageId, InstanceId, Invalid};
use std::io;
use std::sync::Arc;

fn failures() -> Vec<StepError> {
    let id = ImageId::new();
    let failed = || io::Error::other("x");
    let cached = [
        CacheError::NotFound(id),
        CacheError::Checksum { id, wanted: "a".into(), found: "b".into() },
        CacheError::Length { id, wanted: 1, found: 2 },
        CacheError::Header { id, source: Invalid::new("x", "it is damaged") },
        CacheError::Io { what: "x", source: Arc::new(failed()) },
        CacheError::NoRoom { id, size_bytes: 2, bound_bytes: 1 },
        CacheError::Interrupted,
    ];
    let stored = [
        StorageError::DiskTooSmall { needed_gib: 5, has_gib: 1 },
        StorageError::Full { free_mib: 1, kept_mib: 2 },
        StorageError::Seed(SeedError::TooLong),
        StorageError::Seed(SeedError::Pack(failed())),
        StorageError::io("x", failed()),
    ];
    let asked = [
        HypervisorError::Busy,
        HypervisorError::Foreign(InstanceId::new()),
        HypervisorError::Refused { verb: "start", source: Box::new(failed()) },
    ];
    let stored = cached.into_iter().map(StorageError::Image).chain(stored);
    let all = stored.map(StepError::from).chain(asked.into_iter().map(StepError::from));
    all.chain([StepError::Late, StepError::Overtaken]).collect()
}

#[test]
fn reasons_have_their_french() {
    let failures = failures();
    let public = failures.iter().map(|failure| failure.public().text);
    for english in REASONS.iter().map(|(_, text)| (*text).to_owned()).chain(public) {
        assert!(iroko_web::locale::french(&english).is_some(), "{english}");
    }
}
