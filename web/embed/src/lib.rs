//! The web interface as files in the program: `build.rs` builds them with Node.js and this crate carries them.
//!
//! Promise: whatever is asked of the hub, the interface needs nothing from anywhere else, and it stays small.

/// A file of the interface.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Its path below the root, such as `assets/main-1a2b3c.js`.
    pub name: &'static str,
    /// Its entity tag, with the quotes; weak, as the bytes under gzip are others.
    pub etag: &'static str,
    /// Its bytes.
    pub plain: &'static [u8],
    /// Its bytes under gzip, where that makes it smaller.
    pub gzip: Option<&'static [u8]>,
}

impl File {
    /// Whether its name follows from its content, so that a client may keep it for good.
    pub fn is_immutable(&self) -> bool {
        self.name.starts_with("assets/")
    }

    /// Its media type.
    pub fn media_type(&self) -> &'static str {
        match self.name.rsplit_once('.').map_or("", |(_, extension)| extension) {
            "html" => "text/html; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            "png" => "image/png",
            "webmanifest" => "application/manifest+json",
            _ => "application/octet-stream",
        }
    }
}

/// Every file of the interface. `index.html` is what a person asks for at `/`.
pub static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    /// What a phone may have to load before it shows a door: all of it, in bytes under gzip.
    const GZIP_BYTES_MAX: usize = 150_000;

    #[test]
    fn the_whole_interface_is_small() {
        let sizes: Vec<_> = FILES
            .iter()
            .map(|file| (file.gzip.unwrap_or(file.plain).len(), file.name))
            .collect();
        let total: usize = sizes.iter().map(|(bytes, _)| bytes).sum();
        assert!(total > 10_000, "something is missing: {sizes:?}");
        assert!(
            total <= GZIP_BYTES_MAX,
            "{total} bytes under gzip are more than {GZIP_BYTES_MAX}: {sizes:#?}"
        );
    }

    #[test]
    fn everything_has_a_type_and_the_page_is_there() {
        assert!(FILES.iter().any(|file| file.name == "index.html"));
        for file in FILES {
            assert_ne!(file.media_type(), "application/octet-stream", "{}", file.name);
            assert!(
                file.etag.starts_with("W/\"") && file.etag.ends_with('"'),
                "{}",
                file.etag
            );
        }
    }

    #[test]
    fn nothing_comes_from_elsewhere_and_nothing_is_inline() {
        let page = FILES
            .iter()
            .find(|file| file.name == "index.html")
            .map(|file| file.plain);
        let page = String::from_utf8_lossy(page.unwrap_or_default());
        for wrong in ["http://", "https://", "<style", " style=", "onclick", "data:"] {
            assert!(!page.contains(wrong), "index.html has {wrong}");
        }
        let scripts = page.matches("<script").count();
        assert_eq!(
            scripts,
            page.matches(" src=\"./assets/").count(),
            "a script is inline: {page}"
        );
    }
}
