"""Certificates for one test run: a CA, and leaves with the names a test asks for."""
import datetime
import ipaddress
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def _pem_key(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class Authority:
    def __init__(self, folder, name="test ca"):
        self.folder, self.name, self.serial = folder, name, 1000
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._build(self.subject, self.key.public_key(), x509.BasicConstraints(True, None), [])
        self.path = folder / f"{name.replace(' ', '-')}.pem"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _build(self, subject, public_key, constraints, names, start=-DAY, end=30 * DAY):
        now = datetime.datetime.now(datetime.timezone.utc)
        self.serial += 1
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.subject).public_key(public_key)
                   .serial_number(self.serial).not_valid_before(now + start).not_valid_after(now + end)
                   .add_extension(constraints, True))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        return builder.sign(self.key, hashes.SHA256())

    def leaf(self, label, dns=(), uri=(), ip=(), email=(), expired=False, days=30):
        """A certificate and key; the names of its files and what they say."""
        names = [*map(x509.DNSName, dns), *map(x509.UniformResourceIdentifier, uri), *map(x509.RFC822Name, email),
                 *(x509.IPAddress(ipaddress.ip_address(one)) for one in ip)]
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)])
        span = {"start": -10 * DAY, "end": -DAY} if expired else {"end": days * DAY}
        certificate = self._build(subject, key.public_key(), x509.BasicConstraints(False, None), names, **span)
        return Leaf(self, label, certificate, key)

    def revoke(self, *leaves):
        """A CRL file that lists these leaves."""
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.subject).last_update(now - DAY).next_update(now + DAY)
        for leaf in leaves:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(leaf.certificate.serial_number).revocation_date(now - DAY).build())
        path = self.folder / "crl.pem"
        path.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return path


class Leaf:
    def __init__(self, authority, label, certificate, key):
        self.authority, self.label, self.certificate = authority, label, certificate
        self.certificate_path = authority.folder / f"{label}.pem"
        self.key_path = authority.folder / f"{label}.key"
        self.certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.key_path.write_bytes(_pem_key(key))

    @property
    def sha256(self):
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def config(self):
        """The `tls_certificates` entry."""
        return {"certificate_chain": {"filename": str(self.certificate_path)}, "private_key": {"filename": str(self.key_path)}}

    def server_context(self, client_ca=None, alpn=()):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate_path, self.key_path)
        if client_ca:
            context.load_verify_locations(client_ca.path)
            context.verify_mode = ssl.CERT_REQUIRED
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


def client_context(authority, leaf=None, alpn=(), check_hostname=True):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_hostname
    context.load_verify_locations(authority.path)
    if leaf:
        context.load_cert_chain(leaf.certificate_path, leaf.key_path)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


class Files:
    """A folder of certificates, as what renews them leaves it."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, name, data):
        """By rename, as a careful writer does."""
        new = self.folder / f".{name}.new"
        new.write_bytes(data)
        new.rename(self.folder / name)

    def put_leaf(self, leaf, name="tls"):
        self.put(f"{name}.key", leaf.key_path.read_bytes())
        self.put(f"{name}.crt", leaf.certificate_path.read_bytes())

    def pair(self, name="tls", **more):
        return {"certificate_chain": {"filename": str(self.folder / f"{name}.crt")},
                "private_key": {"filename": str(self.folder / f"{name}.key")}, **more}

    def validation(self, crl=False, **more):
        lists = {"crl": {"filename": str(self.folder / "crl.pem")}} if crl else {}
        return {"trusted_ca": {"filename": str(self.folder / "ca.crt")}, **lists, **more}
