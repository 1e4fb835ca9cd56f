//! The outbox: readers miss nothing, repeat nothing and never go back, whatever is still running.

use crate::world::{World, room, size};
use iroko_store::change::{change_epoch, change_floor, change_tail, change_trim};
use iroko_store::{Store, console, instance};
use iroko_test_database::database;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;
use uuid::Uuid;

/// A reader that goes on from where it stopped.
#[derive(Default)]
struct Reader {
    from: i64,
    seen: Vec<(i64, Uuid)>,
}

impl Reader {
    async fn read(&mut self, store: &Store) {
        let mut conn = store.connection().await.unwrap();
        let tail = change_tail(&mut conn, self.from).await.unwrap();
        assert!(tail.watermark >= self.from, "the watermark went back from {} to {}", self.from, tail.watermark);
        assert!(self.from <= tail.next && tail.next <= tail.watermark.max(self.from), "{} to {}", self.from, tail.next);
        self.from = tail.next;
        self.seen.extend(tail.changes.iter().map(|change| (change.revision, change.object_id)));
    }
}

/// Writes `batches` transactions with some changes each, holding each open for some further
/// statements; rolls every fourth back. Returns how many changes of each machine were committed.
async fn write(world: Arc<World>, ids: Vec<iroko_model::InstanceId>, holds: Vec<(u8, u8)>) -> HashMap<Uuid, usize> {
    let mut committed = HashMap::new();
    for (number, (changes, hold)) in holds.into_iter().enumerate() {
        let mut tx = world.begin().await;
        let written: Vec<_> = (0..changes).map(|n| ids[(number + usize::from(n)) % ids.len()]).collect();
        for id in &written {
            assert!(console::console_want(&mut tx, *id).await.unwrap());
        }
        for _ in 0..hold {
            instance::instance_get(&mut tx, world.project, ids[0]).await.unwrap();
        }
        if number % 4 == 3 {
            drop(tx);
            continue;
        }
        world.commit(tx).await;
        for id in written {
            *committed.entry(id.as_uuid()).or_default() += 1;
        }
    }
    committed
}

#[tokio::test]
async fn readers_beside_writers_see_each_change_once_and_in_order() {
    let (_database, connect) = database().await;
    const WRITERS: usize = 8;
    const READERS: usize = 3;
    let world = Arc::new(World::new(&connect, u32::try_from(WRITERS + READERS + 1).unwrap()).await);
    let host = world.host("host", room(64)).await;
    let mut ids = Vec::new();
    for _ in 0..16 {
        let id = world.instance(size(1), &[]).await;
        world.place(id, host).await;
        ids.push(id);
    }
    world.settle().await;
    let mut start = Reader::default();
    start.read(&world.store).await;
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let (world, done, from) = (world.clone(), done.clone(), start.from);
        readers.spawn(async move {
            let mut reader = Reader { from, ..Reader::default() };
            let mut looks = 0;
            loop {
                // Read once more after the last commit.
                let last = done.load(Ordering::SeqCst);
                reader.read(&world.store).await;
                looks += 1;
                if last {
                    return (reader, looks);
                }
            }
        });
    }
    let mut runner = TestRunner::deterministic();
    let strategy = prop::collection::vec((1u8..=4, 0u8..=12), 40);
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let holds = strategy.new_tree(&mut runner).unwrap().current();
        let mine = ids.iter().cycle().skip(number * 2).take(4).copied().collect();
        writers.spawn(write(world.clone(), mine, holds));
    }
    let mut wanted: HashMap<Uuid, usize> = HashMap::new();
    for committed in writers.join_all().await {
        for (id, count) in committed {
            *wanted.entry(id).or_default() += count;
        }
    }
    world.settle().await;
    done.store(true, Ordering::SeqCst);
    for (reader, looks) in readers.join_all().await {
        assert!(looks > 10, "the reader looked {looks} times only: nothing was tested");
        assert!(reader.seen.is_sorted_by_key(|(revision, _)| *revision), "the order went back");
        let mut seen: HashMap<Uuid, usize> = HashMap::new();
        for (_, id) in &reader.seen {
            *seen.entry(*id).or_default() += 1;
        }
        assert_eq!(seen, wanted);
    }
}

#[tokio::test]
async fn an_open_transaction_holds_the_watermark() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 6).await;
    let host = world.host("host", room(64)).await;
    let (slow, quick) = (world.instance(size(1), &[]).await, world.instance(size(1), &[]).await);
    world.place(slow, host).await;
    world.place(quick, host).await;
    world.settle().await;
    let mut reader = Reader::default();
    reader.read(&world.store).await;
    reader.seen.clear();
    let mut open = world.begin().await;
    console::console_want(&mut open, slow).await.unwrap();
    let mut tx = world.begin().await;
    console::console_want(&mut tx, quick).await.unwrap();
    world.commit(tx).await;
    let mut conn = world.store.connection().await.unwrap();
    let tail = change_tail(&mut conn, reader.from).await.unwrap();
    assert!(tail.more_soon && tail.changes.is_empty(), "{tail:?}");
    reader.read(&world.store).await;
    assert!(reader.seen.is_empty());
    world.commit(open).await;
    world.settle().await;
    reader.read(&world.store).await;
    assert_eq!(reader.seen.iter().map(|(_, id)| *id).collect::<Vec<_>>(), [slow.as_uuid(), quick.as_uuid()]);
}

/// The revisions that are kept.
async fn kept(world: &World) -> Vec<i64> {
    world.settle().await;
    let mut conn = world.store.connection().await.unwrap();
    change_tail(&mut conn, 0).await.unwrap().changes.iter().map(|change| change.revision).collect()
}

#[tokio::test]
async fn trimming_raises_the_floor_and_keeps_the_newest() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let host = world.host("host", room(64)).await;
    let id = world.instance(size(1), &[]).await;
    world.place(id, host).await;
    for _ in 0..5 {
        let mut tx = world.begin().await;
        console::console_want(&mut tx, id).await.unwrap();
        console::console_want(&mut tx, id).await.unwrap();
        world.commit(tx).await;
    }
    let all = kept(&world).await;
    let mut conn = world.store.connection().await.unwrap();
    assert_eq!(change_floor(&mut conn, 1000).await.unwrap(), all[0] + 1, "all after the oldest is there");
    assert_eq!(
        change_floor(&mut conn, 3).await.unwrap(),
        all[all.len() - 3] + 1,
        "the oldest may be cut in its middle"
    );
    assert_eq!(change_trim(&mut conn, 3600.0, 1000).await.unwrap(), 0, "nothing is an hour old");
    assert_eq!(change_trim(&mut conn, 0.0, 2).await.unwrap(), 2, "bounded");
    let rest = kept(&world).await;
    assert_eq!(rest, all[2..]);
    change_trim(&mut conn, 0.0, 1000).await.unwrap();
    let newest = *all.last().unwrap();
    assert_eq!(kept(&world).await, [newest, newest], "the newest stays, so that the floor is known");
    // Whoever has seen the newest change goes on from here, however long ago it was.
    assert_eq!(change_floor(&mut conn, 1000).await.unwrap(), newest + 1);
    assert_eq!(change_epoch(&mut conn).await.unwrap(), change_epoch(&mut conn).await.unwrap());
}
