//! Every scene in `tests/dashboard/scenes` plays as it says.
#![cfg(test)]

#[path = "dashboard/scene.rs"]
mod scene;

#[test]
fn scenes_play_as_they_say() {
    let scenes = scene::all();
    assert!(!scenes.is_empty());
    assert!(scenes.iter().any(|(_, scene)| scene.picture));
    let mut failed = Vec::new();
    for (name, scene) in scenes {
        if std::panic::catch_unwind(|| scene.play(&name)).is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "scenes that do not play as they say: {failed:?}");
}
