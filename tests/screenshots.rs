//! The pictures in `screenshots/` are what the dashboard draws: each named scene is drawn again, and
//! any difference fails. `PERPDECK_BLESS=1 cargo test --test screenshots` writes them anew.
#![cfg(test)]

#[path = "dashboard/scene.rs"]
mod scene;

use std::path::Path;
use std::sync::Arc;

use perpdeck::tui::picture;
use resvg::{tiny_skia, usvg};

/// Pixels for each unit of a picture: at 2 no hairlines stand between blocks.
const SCALE: f32 = 2.0;

fn fonts() -> usvg::fontdb::Database {
    let mut fonts = usvg::fontdb::Database::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fonts");
    for file in ["DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"] {
        fonts.load_font_data(std::fs::read(folder.join(file)).unwrap());
    }
    fonts.set_monospace_family("DejaVu Sans Mono");
    fonts
}

fn png(svg: &str, options: &usvg::Options<'_>) -> Vec<u8> {
    let tree = usvg::Tree::from_str(svg, options).unwrap();
    let size = tree.size().to_int_size().scale_by(SCALE).unwrap();
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).unwrap();
    resvg::render(&tree, tiny_skia::Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().unwrap()
}

#[test]
fn pictures_show_what_the_dashboard_draws() {
    let bless = std::env::var_os("PERPDECK_BLESS").is_some();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("screenshots");
    let options = usvg::Options { fontdb: Arc::new(fonts()), ..usvg::Options::default() };
    let mut stale = Vec::new();
    let mut drawn = 0;
    for (name, scene) in scene::all().into_iter().filter(|(_, scene)| scene.picture) {
        let mut stage = scene.play(&name);
        let buffer = stage.draw();
        let svg = picture::svg(&buffer, &stage.theme);
        let files = [(format!("{name}.svg"), svg.clone().into_bytes()), (format!("{name}.png"), png(&svg, &options))];
        for (file, bytes) in files {
            drawn += 1;
            let path = folder.join(&file);
            if bless {
                std::fs::write(&path, &bytes).unwrap();
            } else if std::fs::read(&path).ok().as_deref() != Some(bytes.as_slice()) {
                stale.push(file);
            }
        }
    }
    assert!(drawn >= 2, "no scene is a picture");
    assert!(stale.is_empty(), "pictures are not what is drawn now: {stale:?}; PERPDECK_BLESS=1 writes them anew");
}
