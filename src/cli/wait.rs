//! `shardlane wait`: ends when another shardlane serves clients; for the entrypoint of an application.
//! `shardlane shutdown` stops another shardlane, `shardlane reload` has it read its settings again.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use hyper::Method;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use crate::cli::admin_request::ask;
use crate::cli::args::{SettingsArgs, WaitArgs};
use crate::config::load;
use crate::config::origin::Environment;
use crate::platform::clock;

/// How often the other process is asked.
const PAUSE: Duration = Duration::from_millis(200);
/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits until `/startup` answers 200, and fails when it has not done so in time.
pub(crate) fn wait(args: &WaitArgs, environment: Environment<'_>) -> anyhow::Result<()> {
    let admin = admin(&args.settings, environment)?;
    let until_ms = clock::now_ms().saturating_add(args.timeout.saturating_mul(1_000));
    runtime()?.block_on(async {
        loop {
            let last = match ask(admin, Method::GET, "/startup", PATIENCE).await {
                Ok(answer) if answer.status == 200 => return Ok(()),
                Ok(answer) => format!("it answers {}: {}", answer.status, answer.text),
                Err(error) => format!("{error:#}"),
            };
            if clock::now_ms() >= until_ms {
                bail!("shardlane does not serve clients after {} s: {last}", args.timeout);
            }
            sleep(PAUSE).await;
        }
    })
}

/// Asks the other process to stop, and does not wait for its end.
pub(crate) fn shutdown(args: &SettingsArgs, environment: Environment<'_>) -> anyhow::Result<()> {
    let admin = admin(args, environment)?;
    let answer = runtime()?.block_on(ask(admin, Method::POST, "/quitquitquit", PATIENCE))?;
    if answer.status != 200 {
        bail!("it answers {}: {}", answer.status, answer.text);
    }
    Ok(())
}

/// Has the other process read its settings again, and says what changed.
pub(crate) fn reload(
    args: &SettingsArgs,
    environment: Environment<'_>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let admin = admin(args, environment)?;
    let answer = runtime()?.block_on(ask(admin, Method::POST, "/reload", PATIENCE))?;
    if answer.status != 200 {
        bail!("it answers {}: {}", answer.status, answer.text);
    }
    writeln!(out, "{}", answer.text)?;
    Ok(())
}

/// Where the settings say that the other process serves its pages. They need no contact points for that.
fn admin(args: &SettingsArgs, environment: Environment<'_>) -> anyhow::Result<SocketAddr> {
    let mut by_key = args.by_key.clone();
    by_key.entry("contact_points").or_insert_with(|| "127.0.0.1".to_owned());
    Ok(load::load(by_key, args.config.clone(), environment).accept()?.admin)
}

fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}
