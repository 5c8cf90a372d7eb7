//! The web interface's files: open to everybody, cached well, and fenced in by their headers.

use crate::client::Client;
use crate::house::House;

#[tokio::test]
async fn the_page_is_there_without_a_token_and_says_what_it_may_do() {
    let house = House::new().await;
    let mut client = Client::connect(house.address).await;
    let page = client.get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    for wrong in ["unsafe", "http", "data:", "*"] {
        assert!(!policy.contains(wrong), "{policy} has {wrong}");
    }
    for part in [
        "script-src 'self';",
        "style-src 'self';",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(part), "{policy} lacks {part}");
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn every_file_is_served_and_an_unchanged_one_is_not_sent_again() {
    let house = House::new().await;
    let mut client = Client::connect(house.address).await;
    for file in hubd_web::FILES {
        let path = if file.name == "index.html" {
            "/".to_owned()
        } else {
            format!("/{}", file.name)
        };
        let head = client
            .send("HEAD", &path, &[("Accept-Encoding", "gzip")], None)
            .await;
        assert_eq!(head.status, 200, "{path}");
        let length = file.gzip.unwrap_or(file.plain).len().to_string();
        assert_eq!(head.header("content-length"), Some(length.as_str()), "{path}");
        assert_eq!(
            head.header("content-encoding"),
            file.gzip.map(|_| "gzip"),
            "{path}"
        );
        assert_eq!(head.header("vary"), Some("accept-encoding"), "{path}");
        let kept = head.header("cache-control").unwrap();
        assert_eq!(
            kept.contains("immutable"),
            path.starts_with("/assets/"),
            "{path}: {kept}"
        );
        let tag = head.header("etag").unwrap().to_owned();
        let again = client.send("GET", &path, &[("If-None-Match", &tag)], None).await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
        let other = client
            .send("HEAD", &path, &[("If-None-Match", "W/\"0\"")], None)
            .await;
        assert_eq!(other.status, 200, "{path}");
    }
}

#[tokio::test]
async fn nothing_else_is_open() {
    let house = House::new().await;
    for (number, path) in [
        "/index.html",
        "/assets/",
        "/assets/none.js",
        "/..",
        "/api",
        "/door",
    ]
    .iter()
    .enumerate()
    {
        let host = u8::try_from(number + 2).unwrap();
        let mut client = Client::connect_from(host, house.address).await;
        assert_eq!(client.get(path).await.problem(401), "no_valid_token", "{path}");
    }
    let mut client = Client::connect(house.address).await;
    let sent = client.send("POST", "/", &[], Some("{}")).await;
    assert!([401, 405].contains(&sent.status), "{sent:?}");
}
