//! The PostgreSQL server of the tests.

use cofferdam_servers::Postgres;

#[test]
fn a_server_starts_keeps_what_it_has_and_goes() {
    let mut server = Postgres::start();
    server.psql("create table analytics.t (n int); insert into analytics.t values (7)");
    let port = server.port();
    server.restart();
    assert_eq!(server.psql("select n from analytics.t"), "7");
    server.kill();
    server.start_again();
    assert_eq!(server.psql("select n from analytics.t"), "7");
    assert_eq!(server.port(), port);
    let folder = server.socket_folder().to_owned();
    drop(server);
    assert!(!folder.exists());
}
