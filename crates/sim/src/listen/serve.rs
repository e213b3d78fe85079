//! Runs a cluster on sockets until it is no longer needed.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc::Receiver;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, sleep_until};

use crate::cluster::cluster::Cluster;
use crate::http;
use crate::listen::error::SimError;
use crate::listen::listeners;
use crate::listen::options::SimOptions;
use crate::listen::ports::{Listeners, listen};
use crate::listen::world::World;

/// A function to run with the cluster on its thread.
pub(crate) type Command = Box<dyn FnOnce(&mut Cluster, Duration) + Send>;

/// Where a cluster listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Started {
    /// Plain port of each node.
    pub contact_points: Vec<SocketAddr>,
    /// The HTTP API.
    pub api: Option<SocketAddr>,
}

/// Runs a cluster for as long as the future lives, on the thread that polls it; calls `ready` once
/// it listens.
pub async fn serve(options: SimOptions, ready: impl FnOnce(&Started)) -> Result<(), SimError> {
    LocalSet::new()
        .run_until(async {
            let (world, started) = start(options)?;
            ready(&started);
            keep_time(&world).await
        })
        .await
}

/// Runs a cluster until the other end of `commands` is dropped.
pub(crate) async fn serve_commands(
    options: SimOptions,
    mut commands: Receiver<Command>,
    ready: impl FnOnce(&Started),
) -> Result<(), SimError> {
    let local = LocalSet::new();
    local
        .run_until(async {
            let (world, started) = start(options)?;
            ready(&started);
            let timer = Rc::clone(&world);
            spawn_local(async move { keep_time(&timer).await });
            while let Some(command) = commands.recv().await {
                listeners::administer(&world, command);
            }
            Ok(())
        })
        .await
}

fn start(mut options: SimOptions) -> Result<(Rc<World>, Started), SimError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the clock of the cluster starts at the wall-clock time"
    )]
    let today = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    options.cluster.epoch_micros = i64::try_from(today.as_micros()).unwrap_or_default();
    let listeners = Listeners::bind(&mut options)?;
    let port = options.cluster.port;
    let world = World::new(Cluster::new(options.cluster)?, listeners, options.tls);
    let world = Rc::new(world);
    listeners::follow(&world);
    let mut api = None;
    if let Some(address) = options.api {
        let listener = listen(address).map_err(|source| SimError::Bind { address, source })?;
        api = Some(listener.local_addr().unwrap_or(address));
        spawn_local(http::serve(Rc::clone(&world), listener));
    }
    let contact_points = world.with(|cluster, _| {
        cluster.members.iter().map(|it| SocketAddr::new(it.address, port)).collect()
    });
    Ok((world, Started { contact_points, api }))
}

/// Calls the cluster whenever something is due.
async fn keep_time(world: &World) -> Result<(), SimError> {
    // Nothing due: any time will do.
    const IDLE: Duration = Duration::from_secs(3600);
    loop {
        let due = world.next_due();
        tokio::select! {
            () = async { match due { Some(due) => sleep_until(due).await, None => sleep(IDLE).await } } => {
                world.with(|cluster, now| cluster.on_time(now));
            }
            () = world.sooner.notified() => {}
        }
    }
}
