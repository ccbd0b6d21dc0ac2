//! Log entries by a writer who holds the keys: the repository opens or says what is wrong, and opens again without them.
#![no_main]

use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
use ownkey_crypto::log_name;
use ownkey_engine::format::layout;
use ownkey_fuzz::disturbed;
use ownkey_fuzz::scene::Scene;

thread_local! {
    static SCENE: OnceCell<Scene> = const { OnceCell::new() };
}

fuzz_target!(|input: &[u8]| {
    SCENE.with(|scene| {
        let scene = scene.get_or_init(Scene::new);
        let me = scene.names.device_id(scene.identity.public());
        let seq = scene.next_seq(&me);
        let put = |body: &[u8]| {
            let sealed =
                scene
                    .keys
                    .seal_log(&log_name(&me, seq), body, &scene.identity, &scene.hedge);
            if let Ok(sealed) = sealed {
                let _ = scene.open_with(&layout::log_entry(&me, seq), sealed.into_bytes());
            }
        };
        put(input);
        // Raw bytes seldom come past the first field; a true body with noise over it does.
        let disturbed = scene.log_body(&me).and_then(|body| disturbed(&body, input));
        disturbed.iter().for_each(|body| put(body));
    });
});
