//! Roster entries by an admin who holds the keys: the repository opens or says what is wrong.
#![no_main]

use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
use ownkey_engine::format::layout;
use ownkey_fuzz::scene::Scene;

thread_local! {
    static SCENE: OnceCell<Scene> = const { OnceCell::new() };
}

fuzz_target!(|body: &[u8]| {
    SCENE.with(|scene| {
        let scene = scene.get_or_init(Scene::new);
        let n = scene.roster.0 + 1;
        if let Ok(sealed) = scene
            .keys
            .seal_roster(n, body, &scene.identity, &scene.hedge)
        {
            let name = layout::roster_entry(n, &sealed.hash());
            let _ = scene.open_with(&name, sealed.into_bytes());
        }
    });
});
