//! Every scene in `tests/dashboard/scenes` plays as it says.

#[path = "dashboard/scene.rs"]
mod scene;

#[test]
fn scenes_play_as_they_say() {
    let scenes = scene::all();
    assert!(!scenes.is_empty());
    assert!(scenes.iter().any(|(_, scene)| scene.picture));
    for (name, scene) in scenes {
        scene.play(&name);
    }
}
