// OpenSSL 3, and its macros as functions, which Swift can call.
#pragma once
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// SSL_CTX and SSL controls.
static inline void cossl_ctx_set_mode(SSL_CTX *ctx, long mode) { SSL_CTX_set_mode(ctx, mode); }
static inline int cossl_ctx_set_versions(SSL_CTX *ctx, int min, int max) {
    return SSL_CTX_set_min_proto_version(ctx, min) == 1 && SSL_CTX_set_max_proto_version(ctx, max) == 1;
}
static inline int cossl_ctx_set_groups(SSL_CTX *ctx, const char *list) {
    return (int)SSL_CTX_set1_groups_list(ctx, list);
}
static inline int cossl_ctx_set_sigalgs(SSL_CTX *ctx, const char *list) {
    return (int)SSL_CTX_set1_sigalgs_list(ctx, list);
}
static inline void cossl_ctx_set_session_cache(SSL_CTX *ctx, long mode, long size) {
    SSL_CTX_set_session_cache_mode(ctx, mode);
    if (size > 0) SSL_CTX_sess_set_cache_size(ctx, size);
}
static inline int cossl_ctx_add_chain_cert(SSL_CTX *ctx, X509 *cert) {
    return (int)SSL_CTX_add1_chain_cert(ctx, cert);
}
static inline void cossl_ctx_set_app_data(SSL_CTX *ctx, void *data) { SSL_CTX_set_app_data(ctx, data); }
static inline void *cossl_ctx_get_app_data(SSL_CTX *ctx) { return SSL_CTX_get_app_data(ctx); }
static inline void cossl_set_app_data(SSL *ssl, void *data) { SSL_set_app_data(ssl, data); }
static inline void *cossl_get_app_data(const SSL *ssl) { return SSL_get_app_data(ssl); }
static inline int cossl_set_host_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}
static inline int cossl_negotiated_group(SSL *ssl) { return (int)SSL_get_negotiated_group(ssl); }
static inline int cossl_peer_signature_nid(SSL *ssl, int *nid) { return (int)SSL_get_peer_signature_nid(ssl, nid); }
typedef int (*cossl_ticket_key_cb)(SSL *, unsigned char *, unsigned char *, EVP_CIPHER_CTX *, EVP_MAC_CTX *, int);
static inline void cossl_ctx_set_ticket_key_cb(SSL_CTX *ctx, cossl_ticket_key_cb cb) {
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, cb);
}
static inline EVP_PKEY *cossl_x509_pubkey(X509 *cert) { return X509_get0_pubkey(cert); }

// Options are 64-bit shifts that Swift does not import.
static const uint64_t cossl_op_no_renegotiation = SSL_OP_NO_RENEGOTIATION;
static const uint64_t cossl_op_no_compression = SSL_OP_NO_COMPRESSION;
static const uint64_t cossl_op_no_ticket = SSL_OP_NO_TICKET;
static const uint64_t cossl_op_server_preference = SSL_OP_CIPHER_SERVER_PREFERENCE;
static const uint64_t cossl_op_prioritize_chacha = SSL_OP_PRIORITIZE_CHACHA;
static const unsigned long cossl_xn_rfc2253 = XN_FLAG_RFC2253;

static inline int cossl_num_renegotiations(SSL *ssl) { return (int)SSL_num_renegotiations(ssl); }

// BIO flags and memory BIOs.
static inline void cossl_bio_retry_read(BIO *bio) { BIO_set_retry_read(bio); }
static inline void cossl_bio_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }
static inline size_t cossl_bio_memory(BIO *bio, const unsigned char **data) {
    char *start = NULL;
    long count = BIO_get_mem_data(bio, &start);
    *data = (const unsigned char *)start;
    return count > 0 ? (size_t)count : 0;
}

// Called for every ClientHello, with or without a server name.
typedef int (*cossl_servername_cb)(SSL *, int *, void *);
static inline void cossl_ctx_set_servername_cb(SSL_CTX *ctx, cossl_servername_cb callback) {
    SSL_CTX_set_tlsext_servername_callback(ctx, callback);
}

// Protection of records: one AEAD operation is begun, fed, and ended by its tag (16 bytes).
static inline int cossl_aead_begin(EVP_CIPHER_CTX *ctx, const unsigned char *nonce, const unsigned char *aad, int count) {
    int done = 0;
    return EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, -1, NULL) == 1 &&
           EVP_CipherUpdate(ctx, NULL, &done, aad, count) == 1;
}
static inline int cossl_aead_update(EVP_CIPHER_CTX *ctx, unsigned char *out, const unsigned char *in, int count) {
    int done = 0;
    return EVP_CipherUpdate(ctx, out, &done, in, count) == 1 && done == count;
}
static inline int cossl_aead_seal(EVP_CIPHER_CTX *ctx, unsigned char *tag) {
    int done = 0;
    return EVP_CipherFinal_ex(ctx, tag, &done) == 1 && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1;
}
static inline int cossl_aead_verify(EVP_CIPHER_CTX *ctx, unsigned char *tag) {
    int done = 0;
    return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag) == 1 && EVP_CipherFinal_ex(ctx, tag, &done) == 1;
}

// The key schedules of TLS, as OpenSSL's own sessions use them. `digest` is a digest's name.
static inline int cossl_derive(const char *kdf, const OSSL_PARAM *params, unsigned char *out, size_t count) {
    EVP_KDF *algorithm = EVP_KDF_fetch(NULL, kdf, NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(algorithm);
    int done = ctx != NULL && EVP_KDF_derive(ctx, out, count, params) == 1;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(algorithm);
    return done;
}
// HKDF-Expand-Label with an empty context (RFC 8446, section 7.1).
static inline int cossl_tls13_expand(const char *digest, const unsigned char *secret, size_t secret_count,
                                     const char *label, unsigned char *out, size_t count) {
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    OSSL_PARAM params[6];
    params[0] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
    params[1] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)digest, 0);
    params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, secret_count);
    params[3] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, (void *)"tls13 ", 6);
    params[4] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, (void *)label, strlen(label));
    params[5] = OSSL_PARAM_construct_end();
    return cossl_derive(OSSL_KDF_NAME_TLS1_3_KDF, params, out, count);
}
// The key block of TLS 1.2 (RFC 5246, section 6.3). `seed` is the server's random and the client's.
static inline int cossl_tls12_key_block(const char *digest, const unsigned char *master, size_t master_count,
                                        const unsigned char *seed, size_t seed_count, unsigned char *out,
                                        size_t count) {
    OSSL_PARAM params[5];
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)digest, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, (void *)master, master_count);
    params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)"key expansion", 13);
    params[3] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)seed, seed_count);
    params[4] = OSSL_PARAM_construct_end();
    return cossl_derive(OSSL_KDF_NAME_TLS1_PRF, params, out, count);
}

// Calls back with the messages of a session that is set up already.
typedef void (*cossl_message_cb)(int, int, int, const void *, size_t, SSL *, void *);
static inline void cossl_set_message_cb(SSL *ssl, cossl_message_cb callback) { SSL_set_msg_callback(ssl, callback); }

// Error codes.
static inline void cossl_raise(int reason) { ERR_raise(ERR_LIB_SSL, reason); }
static inline int cossl_err_lib(unsigned long code) { return ERR_GET_LIB(code); }
static inline int cossl_err_reason(unsigned long code) { return ERR_GET_REASON(code); }

// Stacks.
static inline int cossl_x509s_count(const STACK_OF(X509) *stack) { return stack ? sk_X509_num(stack) : 0; }
static inline X509 *cossl_x509s_at(const STACK_OF(X509) *stack, int index) { return sk_X509_value(stack, index); }
static inline STACK_OF(X509) *cossl_x509s_new(void) { return sk_X509_new_null(); }
static inline int cossl_x509s_push(STACK_OF(X509) *stack, X509 *cert) {
    return X509_add_cert(stack, cert, X509_ADD_FLAG_UP_REF);
}
static inline void cossl_x509s_free(STACK_OF(X509) *stack) { sk_X509_pop_free(stack, X509_free); }
static inline int cossl_infos_count(const STACK_OF(X509_INFO) *stack) { return stack ? sk_X509_INFO_num(stack) : 0; }
static inline X509 *cossl_infos_cert(const STACK_OF(X509_INFO) *stack, int index) {
    return sk_X509_INFO_value(stack, index)->x509;
}
static inline X509_CRL *cossl_infos_crl(const STACK_OF(X509_INFO) *stack, int index) {
    return sk_X509_INFO_value(stack, index)->crl;
}
static inline void cossl_infos_free(STACK_OF(X509_INFO) *stack) { sk_X509_INFO_pop_free(stack, X509_INFO_free); }
static inline STACK_OF(GENERAL_NAME) *cossl_subject_alt_names(const X509 *cert) {
    return (STACK_OF(GENERAL_NAME) *)X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
}
static inline int cossl_names_count(const STACK_OF(GENERAL_NAME) *names) {
    return names ? sk_GENERAL_NAME_num(names) : 0;
}
static inline GENERAL_NAME *cossl_names_at(const STACK_OF(GENERAL_NAME) *names, int index) {
    return sk_GENERAL_NAME_value(names, index);
}
static inline STACK_OF(GENERAL_NAME) *cossl_names_new(void) { return sk_GENERAL_NAME_new_null(); }
static inline int cossl_names_push(STACK_OF(GENERAL_NAME) *names, GENERAL_NAME *name) {
    return sk_GENERAL_NAME_push(names, name) > 0;
}
static inline void cossl_names_free(STACK_OF(GENERAL_NAME) *names) { GENERAL_NAMES_free(names); }

// The text of a GENERAL_NAME that holds one (DNS, URI, e-mail) or the octets of an IP address.
static inline const ASN1_STRING *cossl_name_string(const GENERAL_NAME *name) {
    switch (name->type) {
    case GEN_DNS: return name->d.dNSName;
    case GEN_URI: return name->d.uniformResourceIdentifier;
    case GEN_EMAIL: return name->d.rfc822Name;
    case GEN_IPADD: return name->d.iPAddress;
    default: return NULL;
    }
}
// The value of an otherName; its type id goes to `oid`.
static inline const ASN1_TYPE *cossl_name_other(const GENERAL_NAME *name, const ASN1_OBJECT **oid) {
    if (name->type != GEN_OTHERNAME) return NULL;
    *oid = name->d.otherName->type_id;
    return name->d.otherName->value;
}
static inline int cossl_type_tag(const ASN1_TYPE *type) { return type->type; }
static inline int cossl_type_boolean(const ASN1_TYPE *type) { return type->value.boolean; }
static inline const ASN1_STRING *cossl_type_string(const ASN1_TYPE *type) { return type->value.asn1_string; }
static inline const ASN1_OBJECT *cossl_type_object(const ASN1_TYPE *type) { return type->value.object; }

// Gives a HMAC context of a session ticket its key, for SHA-256.
static inline int cossl_mac_set_key(EVP_MAC_CTX *mac, const unsigned char *key, size_t count) {
    OSSL_PARAM params[3];
    params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key, count);
    params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0);
    params[2] = OSSL_PARAM_construct_end();
    return EVP_MAC_CTX_set_params(mac, params);
}

// Allocation macros.
static inline void cossl_free(void *memory) { OPENSSL_free(memory); }
static inline EVP_PKEY *cossl_ec_keygen(const char *curve) { return EVP_EC_gen(curve); }
static inline EVP_PKEY *cossl_rsa_keygen(unsigned int bits) { return EVP_RSA_gen(bits); }

// Public keys from their numbers; NULL for what is none.
static inline EVP_PKEY *cossl_public_key(const char *type, OSSL_PARAM *params) {
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (context && params && EVP_PKEY_fromdata_init(context) == 1) {
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params);
    }
    EVP_PKEY_CTX_free(context);
    return key;
}
static inline EVP_PKEY *cossl_rsa_public_key(const unsigned char *n, size_t n_count, const unsigned char *e, size_t e_count) {
    BIGNUM *modulus = BN_bin2bn(n, (int)n_count, NULL), *exponent = BN_bin2bn(e, (int)e_count, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;
    if (builder && modulus && exponent && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1
        && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1) {
        params = OSSL_PARAM_BLD_to_param(builder);
        key = cossl_public_key("RSA", params);
    }
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    BN_free(modulus);
    BN_free(exponent);
    return key;
}
// `point` is uncompressed (SEC 1, section 2.3.3): one that is not on the curve is no key.
static inline EVP_PKEY *cossl_ec_public_key(const char *curve, const unsigned char *point, size_t count) {
    OSSL_PARAM params[3];
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)curve, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)point, count);
    params[2] = OSSL_PARAM_construct_end();
    return cossl_public_key("EC", params);
}

// Whether a signature is a key's of the data. `digest` is NULL for Ed25519; with PSS the salt is as long as the digest.
static inline int cossl_verify(EVP_PKEY *key, const char *digest, int is_pss, const unsigned char *signature,
                               size_t signature_count, const unsigned char *data, size_t count) {
    EVP_PKEY_CTX *parameters = NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int is_good = context && EVP_DigestVerifyInit_ex(context, &parameters, digest, NULL, NULL, key, NULL) == 1;
    if (is_good && is_pss) {
        is_good = EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1
            && EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1;
    }
    is_good = is_good && EVP_DigestVerify(context, signature, signature_count, data, count) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return is_good;
}
// An ECDSA signature, given as two numbers of equal size, in DER, for the caller to free; its size, or nothing.
static inline int cossl_ecdsa_der(const unsigned char *numbers, size_t size, unsigned char **der) {
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(numbers, (int)size, NULL), *s = BN_bin2bn(numbers + size, (int)size, NULL);
    int count = 0;
    if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
        count = i2d_ECDSA_SIG(pair, der);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(pair);
    return count;
}
