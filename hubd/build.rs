//! How the daemon is linked.
//!
//! A program that is loaded at any address has a table of places to adjust, which stays in memory once it was read. In
//! its packed form (RELR; glibc 2.36, as in Debian 12, or musl 1.2.4) that is a fiftieth: 0.6 MB less, and the pages
//! around it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
