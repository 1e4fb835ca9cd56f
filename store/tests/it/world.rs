//! What the tests stand on: a project, and short words to make things in it.

use iroko_agent_wire::{AgentKind, SessionRequest};
use iroko_model::host::{Architecture, HostState};
use iroko_model::image::DiskFormat;
use iroko_model::instance::OnGuestShutdown;
use iroko_model::port::PortLimits;
use iroko_model::subnet::{Gateway, SubnetPlan};
use iroko_model::{
    Description, FlavorId, HostId, Hostname, ImageId, InstanceId, Labels, MacAddress, Name, Naming, NetworkId, PortId,
    ProjectId, Resources,
};
use iroko_store::change::{Change, change_tail};
use iroko_store::flavor::Size;
use iroko_store::image::{NewImage, Uploaded};
use iroko_store::instance::{Instance, NewInstance, NewNic};
use iroko_store::network::NewNetwork;
use iroko_store::port::{NewPort, PortAddress};
use iroko_store::subnet::Subnet;
use iroko_store::{
    Result, Store, Tx, account, host, image, instance, network, placement, port, security_group, subnet,
};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Seconds after which a host of the tests is silent.
pub const LEASE_S: f64 = 3600.0;

/// Longest wait for other tests' transactions; the store cuts idle ones off after 15 s.
const SETTLE: Duration = Duration::from_secs(30);

/// A store over the test's database, and a project in it.
pub struct World {
    pub store: Store,
    pub project: ProjectId,
    pub image: ImageId,
}

pub fn name(text: &str) -> Name {
    Name::try_from(text).unwrap()
}

/// What people write on a noun of this name.
pub fn naming(text: &str) -> Naming {
    Naming { name: name(text), description: Description::default(), labels: Labels::default() }
}

impl World {
    /// Connects as a daemon does, with up to `connections` connections.
    pub async fn new(connect: &PgConnectOptions, connections: u32) -> Self {
        let store = Store::connect_when_up(connect.to_url_lossy().as_str(), connections, 3600).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let project = account::bootstrap(&mut tx, &name("org"), &name("project"), "ama", "hash").await.unwrap();
        let image = active_image(&mut tx, project).await;
        store.commit(tx).await.unwrap();
        Self { store, project, image }
    }

    pub async fn begin(&self) -> Tx {
        self.store.begin().await.unwrap()
    }

    pub async fn commit(&self, tx: Tx) {
        self.store.commit(tx).await.unwrap();
    }

    /// A network with a subnet of each of `ranges`.
    pub async fn network(&self, ranges: &[&str]) -> NetworkId {
        let naming = naming("net");
        let new = NewNetwork { project_id: self.project, naming: &naming, mtu: 1450, vnis: 5000..=100_000 };
        let mut tx = self.begin().await;
        let id = network::network_insert(&mut tx, &new).await.unwrap().common.id;
        for range in ranges {
            self.subnet(&mut tx, id, range, None).await.unwrap().unwrap();
        }
        self.commit(tx).await;
        id
    }

    pub async fn subnet(
        &self,
        tx: &mut Tx,
        network_id: NetworkId,
        range: &str,
        gateway: Option<IpAddr>,
    ) -> Result<Option<Subnet>> {
        let plan =
            SubnetPlan::new(range.parse().unwrap(), gateway.map_or(Gateway::First, Gateway::At), None, vec![]).unwrap();
        subnet::subnet_insert(tx, self.project, network_id, &naming("sub"), &plan).await
    }

    /// The project's default security group.
    pub async fn default_group(&self, tx: &mut Tx) -> Uuid {
        security_group::security_group_default(tx, self.project).await.unwrap().unwrap()
    }

    /// A port of the network that stands alone.
    pub async fn port(&self, tx: &mut Tx, network_id: NetworkId) -> Result<(PortId, MacAddress, Vec<PortAddress>)> {
        let networks = subnet::pools_of_networks(tx, self.project, &[network_id.as_uuid()]).await?;
        let id = PortId::new();
        let groups = [self.default_group(tx).await];
        let new = NewPort {
            fixed: &port::Fixed::default(),
            id,
            project_id: self.project,
            network_id,
            naming: Some(&naming("p")),
            security_group_ids: &groups,
            allowed_address_pairs: &[],
            qos_policy_id: None,
        };
        let (mac, addresses) = port::port_insert(tx, &new, &networks[0].1).await?;
        Ok((id, mac, addresses))
    }

    /// A machine of this size that waits for a host, with a port on each of `networks`.
    pub async fn instance(&self, size: Size, networks: &[NetworkId]) -> InstanceId {
        let mut tx = self.begin().await;
        let made = self.instance_in(&mut tx, size, networks).await.unwrap();
        self.commit(tx).await;
        made.common.id
    }

    pub async fn instance_in(&self, tx: &mut Tx, size: Size, networks: &[NetworkId]) -> Result<Instance> {
        let id = InstanceId::new();
        let new = NewInstance {
            id,
            project_id: self.project,
            naming: &naming("vm"),
            hostname: &Hostname::from_name(&name("vm")),
            flavor_id: FlavorId::new(),
            size,
            image_id: self.image,
            architecture: Architecture::X86_64,
            ssh_keys: &[],
            ssh_key_ids: &[],
            user_data: None,
            user_data_is_base64: false,
            on_guest_shutdown: OnGuestShutdown::StayOff,
        };
        let ids: Vec<_> = networks.iter().map(|network| network.as_uuid()).collect();
        let parts =
            instance::instance_parts(tx, self.project, (FlavorId::new(), self.image), &[], &ids, &[], &[]).await?;
        let nic = |(index, id): (usize, &NetworkId)| NewNic {
            fixed: port::Fixed::default(),
            network_id: *id,
            index: i32::try_from(index).unwrap(),
            subnets: &parts.networks[&id.as_uuid()],
            security_groups: parts.default_group.as_slice(),
            qos_policy: None,
        };
        let nics: Vec<_> = networks.iter().enumerate().map(nic).collect();
        instance::instance_make(tx, &new, &nics).await
    }

    /// A host with both agents in their first session.
    pub async fn host(&self, host_name: &str, capacity: Resources) -> HostId {
        let mut tx = self.begin().await;
        let secret = Uuid::now_v7();
        host::enrolment_token_insert(&mut tx, secret.as_bytes(), Some(host_name), 600.0).await.unwrap();
        let mut id = None;
        for kind in [AgentKind::Compute, AgentKind::Net] {
            id = host::enrol(&mut tx, secret.as_bytes(), kind, host_name, host_name).await.unwrap().ok();
            let begun = host::session_begin(&mut tx, id.unwrap(), &session(kind, capacity)).await.unwrap();
            assert_eq!(begun, Some(1));
        }
        self.commit(tx).await;
        id.unwrap()
    }

    /// The operator disables a host.
    pub async fn disable(&self, host: HostId) {
        let mut tx = self.store.begin().await.unwrap();
        let (description, labels) = (Description::default(), Labels::default());
        let change = host::HostChange { state: HostState::Disabled, description: &description, labels: &labels };
        let row = host::host_update(&mut tx, host, change).await.unwrap();
        assert_eq!((row.state.as_str(), row.reachable), ("disabled", true));
        self.commit(tx).await;
    }

    /// Places a machine, which must succeed.
    pub async fn place(&self, instance: InstanceId, host: HostId) {
        let mut tx = self.begin().await;
        let placed = placement::placement_commit(&mut tx, &[(instance, host)]).await.unwrap();
        self.commit(tx).await;
        assert_eq!(placed, [instance]);
    }

    pub async fn get(&self, id: InstanceId) -> Instance {
        let mut conn = self.store.connection().await.unwrap();
        match instance::instance_get(&mut conn, self.project, id).await.unwrap() {
            Some(row) => row,
            None => instance::instance_history_get(&mut conn, self.project, id).await.unwrap().unwrap(),
        }
    }

    /// The outbox's rows from `revision` on, as kind, object and host; and the revision to go on from.
    pub async fn changes(&self, revision: i64) -> (Vec<(String, Uuid, Option<Uuid>)>, i64) {
        self.settle().await;
        let mut conn = self.store.connection().await.unwrap();
        let tail = change_tail(&mut conn, revision).await.unwrap();
        let row = |c: &Change| (format!("{:?}", c.kind).to_lowercase(), c.object_id, c.host_id);
        (tail.changes.iter().map(row).collect(), tail.watermark)
    }

    /// Waits until everything committed before can be read from the outbox: transactions of other
    /// tests in the same cluster hold the watermark, too.
    pub async fn settle(&self) {
        let mut conn = self.store.connection().await.unwrap();
        let now: i64 =
            sqlx::query_scalar("SELECT pg_current_xact_id()::text::bigint").fetch_one(&mut *conn).await.unwrap();
        let until = Instant::now() + SETTLE;
        loop {
            let watermark = change_tail(&mut conn, now).await.unwrap().watermark;
            if watermark > now {
                return;
            }
            assert!(Instant::now() < until, "the watermark stays at {watermark}, below {now}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// What an agent of a host with this capacity says when it starts.
pub fn session(agent: AgentKind, capacity: Resources) -> SessionRequest {
    let is_compute = agent == AgentKind::Compute;
    SessionRequest {
        agent,
        version: "test".into(),
        architecture: is_compute.then_some(Architecture::X86_64),
        capacity: is_compute.then_some(capacity),
        vtep: (!is_compute).then(|| "192.0.2.1".parse().unwrap()),
        underlay_mtu: (!is_compute).then_some(1500),
    }
}

/// A size with as many GiB of disk and times 64 MiB of memory as processors.
pub fn size(vcpus: i32) -> Size {
    Size { vcpus, memory_mib: vcpus * 64, disk_gib: vcpus, limits: PortLimits::default() }
}

/// The room for `vcpus` processors' worth of [`size`].
pub const fn room(vcpus: u64) -> Resources {
    Resources { vcpus, memory_mib: vcpus * 64, disk_gib: vcpus }
}

/// An image of a project, with its bytes.
pub async fn an_image(world: &World, project_id: ProjectId) -> ImageId {
    let mut tx = world.begin().await;
    let id = active_image(&mut tx, project_id).await;
    world.commit(tx).await;
    id
}

async fn active_image(tx: &mut Tx, project_id: ProjectId) -> ImageId {
    let new = NewImage {
        project_id,
        naming: naming("image"),
        architecture: Architecture::X86_64,
        disk_format: DiskFormat::Raw,
        sha256: None,
    };
    let id = image::image_insert(tx, new).await.unwrap().common.id;
    let upload = Uuid::now_v7();
    assert!(image::image_upload_begin(tx, id, upload, 60.0).await.unwrap());
    let bytes = Uploaded { size_bytes: 512, virtual_size_bytes: 512, sha256: "0".repeat(64) };
    assert!(image::image_upload_finish(tx, id, upload, &bytes).await.unwrap().is_some());
    id
}
