//! Serves until the client is gone.

use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;
use rmcp::transport::stdio;
use tokio::runtime::Builder;

use super::client;
use super::command::Commands;
use super::leases::Leases;
use super::options::Options;
use super::server::Server;
use crate::base::{Refusal, Result, text};
use crate::guard::operator;

/// Serves on stdin and stdout until stdin ends or the parent process does.
///
/// # Errors
/// `mcp.handshake` when what arrives first is not MCP.
pub fn serve(options: Options) -> Result<()> {
    // The worker of a run renews its own claim, and sets its lease.
    let lease = operator::run::inside().is_none().then_some(options.lease);
    let leases = lease.map(|lease| Leases::start(options.root.clone(), options.clock, lease));
    let server = Server::new(Commands::new(options), leases);
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = session(server) => ended,
            () = client::parent_is_gone() => Ok(()),
        }
    });
    // A read of stdin that waits would keep us when the parent is gone.
    runtime.shutdown_background();
    ended
}

async fn session(server: Server) -> Result<()> {
    match server.serve(stdio()).await {
        Ok(running) => {
            running.waiting().await?;
            Ok(())
        }
        Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
        Err(e) => Err(Refusal::usage("mcp.handshake", "the client does not speak MCP")
            .because(text::clip(&text::safe(&e.to_string()), 300))
            .next("start it from an MCP client: see docs/mcp.md")
            .into()),
    }
}
