//! Every combination of facts gives a step; from every one of them, steps lead to rest.

use super::super::facts::{Ports, StopClock, Want};
use super::super::record::{Failure, Operation, OperationState};
use super::super::step::Progress;
use super::*;
use iroko_agent_wire::{OperationFault, OperationKind, OperationPhase, OperationSpec, Outcome};
use iroko_model::InstanceId;
use iroko_model::reason::{Code, Reason};

const WANTS: [Want; 4] = [Want::Running, Want::Stopped, Want::Gone, Want::AsItIs];
const DOMAINS: [Option<DomainState>; 8] = [
    None,
    Some(DomainState::Off),
    Some(DomainState::Running),
    Some(DomainState::Paused),
    Some(DomainState::Starting),
    Some(DomainState::Stopping),
    Some(DomainState::NoRoom),
    Some(DomainState::ShutDown),
];
const PORTS: [Ports; 3] = [Ports::Ready, Ports::Waiting, Ports::Overdue];
const STOPS: [StopClock; 3] = [StopClock::Due, StopClock::Asked, StopClock::Overdue];
const FLAGS: [bool; 2] = [false, true];
/// More steps than any life takes to rest.
const STEPS_MAX: usize = 20;

/// All records worth telling apart, at generation 2 of 2 unless they say otherwise.
fn records() -> Vec<Option<Record>> {
    let base = |life| Record::new(InstanceId::new(), 2, String::new(), life, Operation::done(1));
    let mut records = vec![None];
    for life in [Life::Building, Life::Born] {
        records.push(Some(base(life)));
        records.push(Some(Record { generation: 1, ..base(life) }));
        for phase in [OperationPhase::Stopping, OperationPhase::Starting] {
            records.push(Some(Record { operation: rebooting(phase), ..base(life) }));
        }
    }
    for (ran, guest_off) in [(Some(1), Some(1)), (Some(2), None), (Some(2), Some(2))] {
        records.push(Some(Record { ran, guest_off, ..base(Life::Born) }));
    }
    for generation in [1, 2] {
        let failed = Some(Failure { generation, reason: Reason::new(Code::BuildFailed, "") });
        records.push(Some(Record { failed, ..base(Life::Building) }));
    }
    records
}

const fn rebooting(phase: OperationPhase) -> Operation {
    Operation { number: 2, state: OperationState::UnderWay { kind: OperationKind::Reboot, phase } }
}

const fn asked(number: u64) -> Option<OperationSpec> {
    Some(OperationSpec { number, kind: OperationKind::Reboot })
}

/// A copy of the world that steps can be played on.
#[derive(Debug, Clone)]
struct World {
    want: Want,
    operation: Option<OperationSpec>,
    is_outdated: bool,
    domain: Option<DomainState>,
    record: Option<Record>,
    disk: bool,
    seed: bool,
    start_overdue: bool,
    ports: Ports,
    stop: StopClock,
    given_up: bool,
    stays_off: bool,
    room: bool,
}

impl World {
    fn next(&self) -> Step {
        next(&Facts {
            want: self.want,
            generation: 2,
            operation: self.operation,
            is_outdated: self.is_outdated,
            domain: self.domain,
            record: self.record.as_ref(),
            disk: self.disk,
            seed: self.seed,
            litter: self.disk || self.seed,
            start_overdue: self.start_overdue,
            ports: self.ports,
            stop: self.stop,
            given_up: self.given_up,
            stays_off: self.stays_off,
            asked: false,
            room: self.room,
        })
    }

    fn record(&mut self) -> &mut Record {
        self.record.as_mut().expect("steps on a record come after Begin")
    }

    /// What the step does to a world where everything works.
    fn play(&mut self, step: Step) {
        match step {
            Step::Begin => {
                let before = Operation::done(self.operation.map_or(0, |asked| asked.number));
                self.record = Some(Record::new(InstanceId::new(), 2, String::new(), Life::Building, before));
                self.given_up = false;
            }
            Step::Note => self.record().generation = 2,
            Step::Born => {
                let record = self.record();
                (record.life, record.ran, record.guest_off) = (Life::Born, Some(2), None);
            }
            Step::GuestOff => self.record().guest_off = Some(2),
            Step::Operation(progress) => {
                let asked = self.operation;
                self.record().operation = operation::noted(&self.record().operation, asked, progress);
            }
            Step::MarkFailed => {
                self.record().failed = Some(Failure { generation: 2, reason: Reason::new(Code::BuildFailed, "") })
            }
            Step::MakeDisk => self.disk = true,
            Step::MakeSeed => self.seed = true,
            Step::Define => (self.domain, self.is_outdated) = (Some(DomainState::Off), false),
            Step::Start => (self.domain, self.is_outdated) = (Some(DomainState::Running), false),
            Step::Resume => self.domain = Some(DomainState::Running),
            Step::Shutdown => self.domain = Some(DomainState::ShutDown),
            Step::Destroy => self.domain = Some(DomainState::Off),
            Step::Undefine => self.domain = None,
            Step::RemoveFiles => (self.disk, self.seed) = (false, false),
            Step::RemoveAll => (self.disk, self.seed, self.record) = (false, false, None),
            Step::GiveUp => self.given_up = true,
            Step::Rest(_) => {}
        }
    }
}

fn worlds() -> Vec<World> {
    let mut worlds = vec![];
    for want in WANTS {
        for domain in DOMAINS {
            for record in records() {
                for ports in PORTS {
                    for stop in STOPS {
                        for bits in 0..64usize {
                            let flag = |n: u32| FLAGS[bits >> n & 1];
                            worlds.push(World {
                                want,
                                operation: asked(1 + u64::from(flag(0))),
                                // Whatever happens else: it is looked at once power rests.
                                is_outdated: flag(1),
                                domain,
                                record: record.clone(),
                                disk: flag(1),
                                seed: flag(2),
                                ports,
                                stop,
                                given_up: flag(3),
                                start_overdue: flag(4),
                                stays_off: flag(5),
                                // Only one state of a domain asks for it.
                                room: flag(4),
                            });
                        }
                    }
                }
            }
        }
    }
    worlds
}

#[test]
fn every_world_comes_to_rest_where_it_should() {
    for first in worlds() {
        let (mut world, mut steps) = (first.clone(), vec![]);
        let rest = loop {
            match world.next() {
                Step::Rest(rest) => break rest,
                step => {
                    world.play(step);
                    steps.push(step);
                }
            }
            assert!(steps.len() < STEPS_MAX, "{first:?} never rests: {steps:?}");
        };
        let allowed: &[Rest] = match first.want {
            Want::Gone => &[Rest::Absent],
            Want::AsItIs => {
                assert!(steps.is_empty(), "kept as it is: {first:?} {steps:?}");
                let is_there = first.domain.is_some() || first.record.is_some() || first.disk || first.seed;
                if is_there { &[Rest::Orphan] } else { &[Rest::Absent] }
            }
            // Only where a start is under way, and only until it has had its time.
            _ if rest == Rest::AwaitStart => {
                assert!(first.domain == Some(DomainState::Starting) && !first.start_overdue, "{first:?}");
                continue;
            }
            // Only where it was its guest's wish, of this generation.
            Want::Running if rest == Rest::GuestOff => {
                assert!(first.stays_off && first.record.as_ref().unwrap().ran == Some(2), "{first:?}");
                continue;
            }
            Want::Running if rest == Rest::NoRoom => {
                assert!(first.domain == Some(DomainState::NoRoom) && !first.room, "{first:?}");
                continue;
            }
            Want::Running => {
                &[Rest::Running, Rest::AwaitPorts, Rest::Failed, Rest::DiskLost, Rest::Stopping, Rest::Rebooting]
            }
            Want::Stopped => &[Rest::Stopped, Rest::Stopping, Rest::Rebooting, Rest::Failed, Rest::DiskLost],
        };
        assert!(allowed.contains(&rest), "{first:?} rests as {rest:?} after {steps:?}");
    }
}

#[test]
fn what_must_never_happen() {
    for world in worlds() {
        let step = world.next();
        let born = world.record.as_ref().is_some_and(|record| record.life == Life::Born);
        let removes = matches!(step, Step::RemoveFiles | Step::RemoveAll | Step::Undefine);
        let failed = world.record.as_ref().is_some_and(|record| record.failed.is_some());
        assert!(!(born && removes && world.want != Want::Gone && !failed), "a tenant's disk: {world:?} {step:?}");
        assert!(!(step == Step::MakeDisk && (born || world.disk)), "a disk over a disk: {world:?}");
        assert!(!(step == Step::Start && world.ports != Ports::Ready), "a start without ports: {world:?}");
        assert!(!(step == Step::Start && world.want != Want::Running), "a start nobody wants: {world:?}");
        let traceless = world.domain.is_none() && !world.disk && !world.seed;
        let marks = matches!(step, Step::MarkFailed | Step::Rest(Rest::Failed));
        assert!(!marks || traceless, "failed with traces left: {world:?} {step:?}");
        let told = step == Step::Rest(Rest::Running);
        assert!(!told || born, "told to run before it was written down: {world:?}");
        let adopts = world.domain == Some(DomainState::Running) && world.want == Want::Running;
        let due = world.operation.is_some_and(|asked| asked.number > 1);
        let rebooting = due || world.record.as_ref().is_some_and(|record| record.operation.is_under_way());
        let harms = matches!(step, Step::Shutdown | Step::Destroy | Step::Start);
        let may_be_harmed = !adopts || rebooting || failed;
        assert!(may_be_harmed || !harms, "a running instance disturbed: {world:?} {step:?}");
    }
}

#[test]
fn the_arrows_of_the_diagram() {
    let done = Operation::done(1);
    let record = Record { ran: Some(2), ..Record::new(InstanceId::new(), 2, String::new(), Life::Born, done) };
    let older = Record { generation: 1, ..record.clone() };
    let off = Some(DomainState::ShutDown);
    let well = World {
        want: Want::Running,
        operation: asked(1),
        is_outdated: false,
        domain: Some(DomainState::Running),
        record: Some(record.clone()),
        disk: true,
        seed: true,
        ports: Ports::Ready,
        stop: StopClock::Due,
        given_up: false,
        start_overdue: false,
        stays_off: true,
        room: true,
    };
    let noted = Some(Record { guest_off: Some(2), ..record.clone() });
    let building = Some(Record { life: Life::Building, ..record.clone() });
    let finished = Step::Operation(Progress::Ended(Outcome::Done));
    let in_phase = |phase| Some(Record { operation: rebooting(phase), ..record.clone() });
    let (stopping, starting) = (in_phase(OperationPhase::Stopping), in_phase(OperationPhase::Starting));
    let unknown = Some(OperationSpec { number: 2, kind: OperationKind::Unknown });
    let unsupported = Step::Operation(Progress::Ended(Outcome::Failed(OperationFault::Unsupported)));
    let fresh = World { domain: None, record: building.clone(), disk: false, seed: false, ..well.clone() };
    let table = [
        (well.clone(), Step::Rest(Rest::Running)),
        (World { record: None, ..well.clone() }, Step::Begin),
        (World { record: building, ..well.clone() }, Step::Born),
        (World { operation: asked(2), ..well.clone() }, Step::Operation(Progress::Phase(OperationPhase::Stopping))),
        (World { operation: asked(2), domain: Some(DomainState::Off), ..well.clone() }, finished),
        (World { operation: unknown, ..well.clone() }, unsupported),
        (World { record: stopping.clone(), ..well.clone() }, Step::Shutdown),
        (World { record: stopping.clone(), stop: StopClock::Asked, ..well.clone() }, Step::Rest(Rest::Rebooting)),
        (World { record: stopping.clone(), stop: StopClock::Overdue, ..well.clone() }, Step::Destroy),
        (
            World { record: stopping.clone(), domain: off, ..well.clone() },
            Step::Operation(Progress::Phase(OperationPhase::Starting)),
        ),
        (World { record: stopping, domain: off, want: Want::Stopped, ..well.clone() }, finished),
        (World { record: starting.clone(), domain: off, ..well.clone() }, Step::Start),
        (World { record: starting, ..well.clone() }, finished),
        (World { is_outdated: true, ..well.clone() }, Step::Rest(Rest::Running)),
        (World { is_outdated: true, domain: off, want: Want::Stopped, ..well.clone() }, Step::Define),
        (World { domain: Some(DomainState::Paused), ..well.clone() }, Step::Resume),
        (World { domain: Some(DomainState::Starting), ..well.clone() }, Step::Rest(Rest::AwaitStart)),
        (World { domain: Some(DomainState::Starting), start_overdue: true, ..well.clone() }, Step::Destroy),
        (World { domain: Some(DomainState::Off), ..well.clone() }, Step::Start),
        (World { domain: off, ..well.clone() }, Step::GuestOff),
        (World { domain: off, stays_off: false, ..well.clone() }, Step::Start),
        (World { domain: off, record: Some(Record { ran: Some(1), ..record.clone() }), ..well.clone() }, Step::Start),
        (World { domain: off, want: Want::Stopped, ..well.clone() }, Step::Rest(Rest::Stopped)),
        (World { domain: off, want: Want::Gone, ..well.clone() }, Step::Undefine),
        (World { record: noted.clone(), domain: off, ..well.clone() }, Step::Rest(Rest::GuestOff)),
        (World { record: noted, domain: Some(DomainState::Off), ..well.clone() }, Step::Rest(Rest::GuestOff)),
        (World { record: Some(Record { ran: None, ..record.clone() }), ..well.clone() }, Step::Born),
        (World { domain: Some(DomainState::NoRoom), ..well.clone() }, Step::Resume),
        (World { domain: Some(DomainState::NoRoom), room: false, ..well.clone() }, Step::Rest(Rest::NoRoom)),
        (World { domain: Some(DomainState::NoRoom), room: false, want: Want::Stopped, ..well.clone() }, Step::Destroy),
        (World { domain: Some(DomainState::NoRoom), want: Want::Stopped, ..well.clone() }, Step::Resume),
        (
            World {
                domain: Some(DomainState::NoRoom),
                room: false,
                want: Want::Stopped,
                record: Some(older.clone()),
                ..well.clone()
            },
            Step::Destroy,
        ),
        (
            World { domain: Some(DomainState::NoRoom), room: false, record: Some(older.clone()), ..well.clone() },
            Step::Note,
        ),
        (
            World {
                domain: Some(DomainState::Off),
                room: false,
                want: Want::Stopped,
                record: Some(older),
                ..well.clone()
            },
            Step::Note,
        ),
        (World { domain: Some(DomainState::Off), disk: false, ..well.clone() }, Step::Rest(Rest::DiskLost)),
        (World { domain: None, ports: Ports::Overdue, ..well.clone() }, Step::Rest(Rest::AwaitPorts)),
        (World { want: Want::Stopped, ..well.clone() }, Step::Shutdown),
        (World { want: Want::Stopped, stop: StopClock::Asked, ..well.clone() }, Step::Rest(Rest::Stopping)),
        (World { want: Want::Stopped, stop: StopClock::Overdue, ..well.clone() }, Step::Destroy),
        (World { want: Want::AsItIs, ..well.clone() }, Step::Rest(Rest::Orphan)),
        (World { want: Want::Gone, ..well }, Step::Destroy),
        (fresh.clone(), Step::MakeDisk),
        (World { disk: true, ..fresh.clone() }, Step::MakeSeed),
        (World { disk: true, seed: true, ..fresh.clone() }, Step::Start),
        (World { disk: true, seed: true, ports: Ports::Overdue, ..fresh.clone() }, Step::GiveUp),
        (World { disk: true, given_up: true, ..fresh.clone() }, Step::RemoveFiles),
        (World { given_up: true, ..fresh.clone() }, Step::MarkFailed),
        (World { want: Want::Stopped, disk: true, seed: true, ..fresh }, Step::Define),
    ];
    for (world, step) in table {
        assert_eq!(world.next(), step, "{world:?}");
    }
}
