//! Storages over SFTP: the contract against two servers, and what becomes of broken lines and bad company.

mod company;
mod openssh;

use std::sync::Arc;

use ownkey_storage::{CreateIfAbsent, SftpOptions, SftpPlace, SftpStorage, Storage};
use ownkey_testkit::conformance::Subject;
use ownkey_testkit::servers::SshServer;

mod conformance_openssh {
    use ownkey_storage::CreateIfAbsent;
    use ownkey_testkit::servers::SshServer;

    ownkey_testkit::conformance!(match SshServer::openssh() {
        Some(server) => super::subject(server, CreateIfAbsent::Atomic).await,
        None => return,
    });
}

mod conformance_rclone {
    use ownkey_storage::CreateIfAbsent;
    use ownkey_testkit::servers::SshServer;

    ownkey_testkit::conformance!(match SshServer::rclone() {
        Some(server) => super::subject(server, CreateIfAbsent::Checked).await,
        None => return,
    });
}

/// A folder of a server; opened anew it is another connection, as of another machine.
async fn subject(server: SshServer, create_if_absent: CreateIfAbsent) -> Subject {
    let (place, mut options) = way_to(&server, "repository");
    options.create_if_absent = create_if_absent;
    SftpStorage::create_root(place.clone(), options.clone())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let open =
        move || -> Arc<dyn Storage> { Arc::new(SftpStorage::new(place.clone(), options.clone())) };
    Subject::reopening(open, server)
}

pub(crate) fn way_to(server: &SshServer, folder: &str) -> (SftpPlace, SftpOptions) {
    let path = server.path(folder);
    let place = SftpPlace::new(None, server.host(), Some(server.port()), &path);
    let options = SftpOptions {
        command: server.ssh(),
        ..SftpOptions::default()
    };
    (place.expect("a place"), options)
}
