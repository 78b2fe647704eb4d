"""Makes JSON Web Keys and signs JSON Web Tokens, good ones and bad ones."""
import base64
import datetime
import hashlib
import hmac
import json
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVES = {"256": ec.SECP256R1(), "384": ec.SECP384R1(), "512": ec.SECP521R1()}
CURVE_NAMES = {"256": "P-256", "384": "P-384", "512": "P-521"}


def encode(data):
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).rstrip(b"=").decode()


def number(value, size=None):
    return encode(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class Key:
    """A key pair (or a secret) for one algorithm."""

    def __init__(self, alg, kid=None, secret=b"a secret of thirty-two bytes...."):
        self.alg, self.kid, self.bits = alg, kid, alg[2:]
        if alg[:2] in ("RS", "PS"):
            self.private = rsa.generate_private_key(65537, 2048)
        elif alg[:2] == "ES":
            self.private = ec.generate_private_key(CURVES[self.bits])
        elif alg == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
        else:
            self.private = secret

    def sign(self, data):
        if self.alg[:2] == "RS":
            return self.private.sign(data, padding.PKCS1v15(), HASHES[self.bits])
        if self.alg[:2] == "PS":
            algorithm = HASHES[self.bits]
            return self.private.sign(data, padding.PSS(padding.MGF1(algorithm), algorithm.digest_size), algorithm)
        if self.alg[:2] == "ES":
            size = (self.private.curve.key_size + 7) // 8
            pair = decode_dss_signature(self.private.sign(data, ec.ECDSA(HASHES[self.bits])))
            return b"".join(one.to_bytes(size, "big") for one in pair)
        if self.alg == "EdDSA":
            return self.private.sign(data)
        return hmac.new(self.private, data, getattr(hashlib, "sha" + self.bits)).digest()

    def jwk(self, **changes):
        found = {"alg": self.alg}
        if self.kid:
            found["kid"] = self.kid
        if self.alg[:2] in ("RS", "PS"):
            public = self.private.public_key().public_numbers()
            found |= {"kty": "RSA", "n": number(public.n), "e": number(public.e)}
        elif self.alg[:2] == "ES":
            public, size = self.private.public_key().public_numbers(), (self.private.curve.key_size + 7) // 8
            found |= {"kty": "EC", "crv": CURVE_NAMES[self.bits], "x": number(public.x, size), "y": number(public.y, size)}
        elif self.alg == "EdDSA":
            found |= {"kty": "OKP", "crv": "Ed25519", "x": encode(self.private.public_key().public_bytes_raw())}
        else:
            found |= {"kty": "oct", "k": encode(self.private)}
        return {name: value for name, value in (found | changes).items() if value is not None}

    def certificate(self):
        """A certificate of an RSA key, signed by itself, in PEM."""
        name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")]), datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder(name, name, self.private.public_key(), x509.random_serial_number(), now,
                                          now + datetime.timedelta(days=1))
        return builder.sign(self.private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def token(self, header=None, **claims):
        """A signed token; claims that are None are left out. `header` changes the header, or is a whole one as text."""
        claims = {"iss": "issuer", "exp": int(time.time()) + 3600} | claims
        if not isinstance(header, str):
            header = {"alg": self.alg, "typ": "JWT", **({"kid": self.kid} if self.kid else {}), **(header or {})}
            header = json.dumps({name: value for name, value in header.items() if value is not None})
        return self.token_of(header, json.dumps({name: value for name, value in claims.items() if value is not None}))

    def token_of(self, header, payload):
        """A signed token of two texts, whatever they are."""
        body = f"{encode(header)}.{encode(payload)}"
        return f"{body}.{encode(self.sign(body.encode()))}"


def jwks(*keys):
    """The text of a key set; keys may be `Key`s or ready JWKs."""
    return json.dumps({"keys": [one.jwk() if isinstance(one, Key) else one for one in keys]})
