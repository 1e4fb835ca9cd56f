//! The cloud-init seed of an instance: data source NoCloud, a small FAT volume labelled `CIDATA`.
//!
//! [`text`] writes the three files (pure), [`fat`] packs them; the same spec gives the same bytes.
//! The tenant's user data goes in as it came or decoded, and SSH keys go beside it in the meta data, so that
//! they work whatever the user data is.
//! Format: <https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html>.

mod fat;
mod text;

use iroko_agent_wire::InstanceSpec;

/// Largest user data, in bytes; the API allows less.
pub const USER_DATA_MAX: usize = 512 * 1024;

/// Why there is no seed.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The user data is too long.
    #[error("the user data is longer than {} KiB", USER_DATA_MAX / 1024)]
    TooLong,
    /// The volume could not be written.
    #[error("the instance's configuration could not be packed")]
    Pack(#[from] std::io::Error),
}

/// The bytes of the seed's volume.
pub fn image(spec: &InstanceSpec) -> Result<Vec<u8>, SeedError> {
    let user_data = text::user_data(spec);
    if user_data.len() > USER_DATA_MAX {
        return Err(SeedError::TooLong);
    }
    let files = [
        ("meta-data", text::meta_data(spec).into_bytes()),
        ("user-data", user_data),
        ("network-config", text::network_config(spec).into_bytes()),
    ];
    Ok(fat::volume(b"CIDATA     ", &files)?)
}
