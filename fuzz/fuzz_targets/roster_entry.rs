//! Roster entries by an admin who holds the keys: the repository opens or says what is wrong.
#![no_main]

use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
use ownkey_engine::format::layout;
use ownkey_fuzz::disturbed;
use ownkey_fuzz::scene::Scene;

thread_local! {
    static SCENE: OnceCell<Scene> = const { OnceCell::new() };
}

fuzz_target!(|input: &[u8]| {
    SCENE.with(|scene| {
        let scene = scene.get_or_init(Scene::new);
        let n = scene.roster.0 + 1;
        let put = |body: &[u8]| {
            if let Ok(sealed) = scene
                .keys
                .seal_roster(n, body, &scene.identity, &scene.hedge)
            {
                let name = layout::roster_entry(n, &sealed.hash());
                let _ = scene.open_with(&name, sealed.into_bytes());
            }
        };
        put(input);
        // Raw bytes seldom come past the first field; a true body with noise over it does.
        let disturbed = disturbed(&scene.roster_body, input);
        disturbed.iter().for_each(|body| put(body));
    });
});
