//! Log entries by a writer who holds the keys: the repository opens or says what is wrong, and opens again without them.
#![no_main]

use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
use ownkey_crypto::log_name;
use ownkey_engine::format::layout;
use ownkey_fuzz::scene::Scene;

thread_local! {
    static SCENE: OnceCell<Scene> = const { OnceCell::new() };
}

fuzz_target!(|body: &[u8]| {
    SCENE.with(|scene| {
        let scene = scene.get_or_init(Scene::new);
        let me = scene.names.device_id(scene.identity.public());
        // A new repository's log is empty or short: the entry is put where the next one belongs.
        let seq = scene.next_seq(&me);
        let sealed = scene
            .keys
            .seal_log(&log_name(&me, seq), body, &scene.identity, &scene.hedge);
        if let Ok(sealed) = sealed {
            let _ = scene.open_with(&layout::log_entry(&me, seq), sealed.into_bytes());
        }
    });
});
