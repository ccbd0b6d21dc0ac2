//! Vectors that others published, against the crates that docs/format.md builds on, as this crate uses them.

use crate::support::{sections, unhex, unhex_array};
use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use hpke::kem::{Kem, XWing};
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, OpModeR, OpModeS, Serializable};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::convert::Infallible;

fn rfc(name: &str) -> BTreeMap<String, String> {
    let all = sections(include_str!("../vectors/rfc.txt"));
    all.into_iter()
        .find(|(section, _)| section == name)
        .unwrap()
        .1
}

#[test]
fn rfc_8439_aead() {
    let v = rfc("rfc8439 section 2.8.2");
    let cipher = ChaCha20Poly1305::new(&unhex_array::<32>(&v["key"]).into());
    let nonce = Nonce::from(unhex_array::<12>(&v["nonce"]));
    let mut buffer = unhex(&v["plaintext"]);
    let tag = cipher
        .encrypt_inout_detached(&nonce, &unhex(&v["ad"]), buffer.as_mut_slice().into())
        .unwrap();
    assert_eq!(
        (buffer.clone(), tag.to_vec()),
        (unhex(&v["ciphertext"]), unhex(&v["tag"]))
    );

    let bad = Tag::from([0; 16]);
    assert!(
        cipher
            .decrypt_inout_detached(&nonce, &unhex(&v["ad"]), buffer.as_mut_slice().into(), &bad)
            .is_err()
    );
    assert_eq!(
        buffer,
        unhex(&v["ciphertext"]),
        "a wrong tag leaves no plaintext in the buffer"
    );
}

#[test]
fn rfc_9106_argon2id() {
    let v = rfc("rfc9106 section 5.3");
    let data = unhex(&v["ad"]);
    let mut params = ParamsBuilder::new();
    params
        .m_cost(32)
        .t_cost(3)
        .p_cost(4)
        .data(AssociatedData::new(&data).unwrap());
    let secret = unhex(&v["secret"]);
    let argon2 = Argon2::new_with_secret(
        &secret,
        Algorithm::Argon2id,
        Version::V0x13,
        params.build().unwrap(),
    )
    .unwrap();
    let mut tag = [0; 32];
    argon2
        .hash_password_into(&unhex(&v["password"]), &unhex(&v["salt"]), &mut tag)
        .unwrap();
    assert_eq!(tag.to_vec(), unhex(&v["tag"]));
}

#[test]
fn rfc_7748_x25519() {
    let v = rfc("rfc7748 section 5.2");
    let product = x25519_dalek::x25519(unhex_array(&v["scalar"]), unhex_array(&v["point"]));
    assert_eq!(product, unhex_array(&v["product"]));

    let v = rfc("rfc7748 iterated");
    let (mut scalar, mut point) = ([0; 32], [0; 32]);
    (scalar[0], point[0]) = (9, 9);
    for round in 1..=1000 {
        (scalar, point) = (x25519_dalek::x25519(scalar, point), scalar);
        if round == 1 {
            assert_eq!(scalar, unhex_array(&v["once"]));
        }
    }
    assert_eq!(scalar, unhex_array(&v["thousand"]));
}

#[test]
fn rfc_8032_ed25519() {
    for name in ["rfc8032 section 7.1 test 1", "rfc8032 section 7.1 test 2"] {
        let v = rfc(name);
        let key = SigningKey::from_bytes(&unhex_array(&v["secret"]));
        assert_eq!(key.verifying_key().to_bytes(), unhex_array(&v["public"]));
        let signature = key.sign(&unhex(&v["message"]));
        assert_eq!(signature.to_bytes(), unhex_array(&v["signature"]));
        key.verifying_key()
            .verify_strict(&unhex(&v["message"]), &signature)
            .unwrap();
    }
}

#[test]
fn rfc_5869_hkdf_sha256() {
    for name in ["rfc5869 appendix A.1", "rfc5869 appendix A.3"] {
        let v = rfc(name);
        let salt = unhex(&v["salt"]);
        let mut okm = [0; 42];
        let salt = (!salt.is_empty()).then_some(salt.as_slice());
        Hkdf::<Sha256>::new(salt, &unhex(&v["ikm"]))
            .expand(&unhex(&v["info"]), &mut okm)
            .unwrap();
        assert_eq!(okm.to_vec(), unhex(&v["okm"]), "{name}");
    }
}

#[test]
fn blake3_hash_keyed_and_extended() {
    let cases = sections(include_str!("../vectors/blake3.txt"));
    assert_eq!(cases.len(), 7);
    for (name, v) in cases {
        let length: usize = name.strip_prefix("length ").unwrap().parse().unwrap();
        let input: Vec<u8> = (0..length)
            .map(|i| u8::try_from(i % 251).unwrap())
            .collect();
        assert_eq!(ownkey_crypto::object_hash(&input).to_string(), v["hash"]);
        let mut keyed = [0; 64];
        blake3::Hasher::new_keyed(b"whats the Elvish word for friend")
            .update(&input)
            .finalize_xof()
            .fill(&mut keyed);
        assert_eq!(keyed.to_vec(), unhex(&v["keyed"]), "{name}");
    }
}

/// Gives out given bytes.
struct Given(Vec<u8>);

impl TryRng for Given {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("the KEM fills bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("the KEM fills bytes")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0[..out.len()]);
        Ok(())
    }
}

impl TryCryptoRng for Given {}

type PrivateKey = <XWing as Kem>::PrivateKey;
type EncappedKey = <XWing as Kem>::EncappedKey;

#[test]
fn x_wing_of_its_own_draft() {
    let cases = sections(include_str!("../vectors/x-wing.txt"));
    assert_eq!(cases.len(), 3);
    for (_, v) in cases {
        let secret = PrivateKey::from_bytes(&unhex(&v["seed"])).unwrap();
        let public = XWing::sk_to_pk(&secret);
        assert_eq!(public.to_bytes().to_vec(), unhex(&v["pk"]));
        let (shared, wrap) =
            XWing::encap_with_rng(&public, None, &mut Given(unhex(&v["eseed"]))).unwrap();
        assert_eq!(
            (wrap.to_bytes().to_vec(), shared.0.to_vec()),
            (unhex(&v["ct"]), unhex(&v["ss"]))
        );
        let wrap = EncappedKey::from_bytes(&unhex(&v["ct"])).unwrap();
        assert_eq!(
            XWing::decap(&secret, None, &wrap).unwrap().0.to_vec(),
            unhex(&v["ss"])
        );
    }
}

#[test]
fn hpke_with_x_wing_of_the_working_group() {
    type Aead = hpke::aead::ChaCha20Poly1305;
    type Kdf = hpke::kdf::HkdfSha256;
    let all = sections(include_str!("../vectors/hpke-x-wing.txt"));
    let ((_, v), exports) = all.split_first().unwrap();
    assert_eq!(exports.len(), 5);
    let secret = PrivateKey::from_bytes(&unhex(&v["secret_key"])).unwrap();
    let public = XWing::sk_to_pk(&secret);
    assert_eq!(public.to_bytes().to_vec(), unhex(&v["public_key"]));

    let info = unhex(&v["info"]);
    let mut random = Given(unhex(&v["encapsulation_randomness"]));
    let (wrap, sender) = hpke::setup_sender_with_rng::<Aead, Kdf, XWing>(
        &OpModeS::Base,
        &public,
        &info,
        &mut random,
    )
    .unwrap();
    assert_eq!(wrap.to_bytes().to_vec(), unhex(&v["enc"]));
    assert_eq!(
        XWing::decap(&secret, None, &wrap).unwrap().0.to_vec(),
        unhex(&v["shared_secret"])
    );
    let receiver =
        hpke::setup_receiver::<Aead, Kdf, XWing>(&OpModeR::Base, &secret, &wrap, &info).unwrap();
    for (_, export) in exports {
        let expected = unhex(&export["exported_value"]);
        let (mut sent, mut received) = (vec![0; expected.len()], vec![0; expected.len()]);
        sender
            .export(&unhex(&export["exporter_context"]), &mut sent)
            .unwrap();
        receiver
            .export(&unhex(&export["exporter_context"]), &mut received)
            .unwrap();
        assert_eq!((sent, received), (expected.clone(), expected));
    }
}
