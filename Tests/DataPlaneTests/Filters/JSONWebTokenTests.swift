// Tokens, key sets, and the texts that they are made of.
import Reactor
import Testing

@testable import DataPlane

struct JSONWebTokenTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func decoded(_ text: String) -> [UInt8]? { text.bytes { Base64URL.decoded($0) } }

    @Test func base64() {
        #expect(decoded("") == [] && decoded("AQ") == [1] && decoded("AQ==") == [1] && decoded("AQI=") == [1, 2])
        #expect(decoded("-_8") == [0xfb, 0xff])
        for wrong in ["A", "AQ=", "AQ===", "=", "+/8", "A Q", "AQ\n", "AQIDA"] {
            #expect(decoded(wrong) == nil, "\(wrong)")
        }
        #expect(Base64URL.standard([0xfb, 0xff]) == bytes("+/8=") && Base64URL.standard([1]) == bytes("AQ=="))
        #expect(Base64URL.standard([1, 2, 3]) == bytes("AQID") && Base64URL.standard([]) == [])
    }

    @Test(arguments: [
        "{}", " [ ] ", "null", "-0.5e+10", "\"\\u00fc\\ud83d\\ude00\\n\"", "{\"a\":{\"b\":[1,true,false,null,\"\"]}}",
    ])
    func json(text: String) { #expect(JSONValue(bytes(text)) != nil) }

    @Test(arguments: [
        "", " ", "{", "[", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "[1,]", "[1 2]", "01", "1.", ".5", "1e", "+1", "nul",
        "tru",
        "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\u{1}\"", "1 1",
        "{a:1}",
        "{\"a\":1,\"a\":2}", "NaN", "1e999", "'a'",
    ])
    func noJSON(text: String) { #expect(JSONValue(bytes(text)) == nil) }

    @Test func levelsAreBounded() {
        func nested(_ count: Int) -> [UInt8] {
            bytes(String(repeating: "[", count: count) + String(repeating: "]", count: count))
        }
        #expect(JSONValue(nested(100)) != nil && JSONValue(nested(101)) == nil)
        #expect(JSONValue([UInt8](repeating: UInt8(ascii: "["), count: 1 << 20)) == nil)
        #expect(JSONValue([0x22, 0xff, 0x22]) == nil)
    }

    @Test(arguments: TokenVectors.all.map(\.algorithm))
    func everyAlgorithm(algorithm: String) throws {
        let (key, text) = TokenVectors.vector(algorithm)
        let set = try JSONWebKeySet(bytes("{\"keys\":[\(key)]}"))
        let token = try JSONWebToken(bytes(text))
        #expect(token.algorithm.rawValue == algorithm && token.issuer == "issuer" && token.subject == "me")
        #expect(set.verify(token) == .ok)
        // One bit of each part.
        for place in [text.utf8.count / 2, text.utf8.count - 10] {
            var changed = bytes(text)
            changed[place] = changed[place] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            guard let other = try? JSONWebToken(changed) else { continue }
            #expect(set.verify(other) == .verificationFailed)
        }
        for other in TokenVectors.all where other.algorithm != algorithm {
            #expect(set.verify(try JSONWebToken(bytes(other.token))) == .noKey)
        }
    }

    /// A key says nothing about the algorithm: what does not fit it verifies nothing.
    @Test func keysOfOtherKinds() throws {
        for key in TokenVectors.all {
            let open = key.key.replacing("\"alg\":\"\(key.algorithm)\",", with: "")
                .replacing("\"kid\":\"\(key.algorithm)\",", with: "")
            let set = try JSONWebKeySet(bytes("{\"keys\":[\(open)]}"))
            for other in TokenVectors.all {
                let status = set.verify(try JSONWebToken(bytes(other.token)))
                #expect(status == (other.algorithm == key.algorithm ? .ok : .verificationFailed))
            }
        }
    }

    @Test func signaturesOfTheWrongLength() throws {
        let (key, text) = TokenVectors.vector("EdDSA")
        let set = try JSONWebKeySet(bytes("{\"keys\":[\(key)]}"))
        #expect(set.verify(try JSONWebToken(bytes(String(text.dropLast(4))))) == .ed25519WrongLength)
    }

    @Test(arguments: [
        ("{", "Jwks is an invalid JSON"), ("[]", "Jwks is an invalid JSON"), ("{}", "Jwks does not have [keys] field"),
        ("{\"keys\":1}", "[keys] in Jwks is not an array"), ("{\"keys\":[]}", "Jwks doesn't have any valid public key"),
        ("{\"keys\":[1,{}]}", "Jwks doesn't have any valid public key (keys[0]: is no object; keys[1]: has no kty)"),
        ("{\"keys\":[{\"kty\":\"x\"}]}", "Jwks doesn't have any valid public key (keys[0]: its kty is not supported)"),
        ("{\"a\":\"no certificate\"}", "Jwks does not have [keys] field"),
    ])
    func noKeySets(text: String, problem: String) {
        do throws(JSONWebKeySetError) {
            _ = try JSONWebKeySet(bytes(text))
            Issue.record("\(text) is a key set")
        } catch {
            #expect(error.description == problem)
        }
    }

    @Test(arguments: [
        "\"kty\":\"RSA\",\"n\":\"AQ\"", "\"kty\":\"RSA\",\"n\":\"\",\"e\":\"AQAB\"",
        "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"AQ\"",
        "\"kty\":\"EC\",\"crv\":\"P-1\",\"x\":\"AQ\",\"y\":\"AQ\"", "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQ\"",
        "\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AQ\"", "\"kty\":\"oct\",\"k\":\"\"", "\"kty\":\"oct\",\"k\":\"*\"",
        "\"kty\":\"oct\",\"k\":\"AQ\",\"alg\":\"RS256\"", "\"kty\":\"oct\",\"k\":\"AQ\",\"alg\":\"none\"",
    ])
    func noKeys(fields: String) {
        #expect(throws: JSONWebKeySetError.self) { try JSONWebKeySet(bytes("{\"keys\":[{\(fields)}]}")) }
    }

    @Test func theOldestTokenMakesRoom() throws {
        let cache = JWTCache(.init(tokens: 2, maxTokenBytes: 4096))
        let tokens = try ["HS256", "HS384", "HS512"].map { try JSONWebToken(bytes(TokenVectors.vector($0).token)) }
        for token in tokens.prefix(2) { cache.keep(token) }
        #expect(cache.find(tokens[0].text) === tokens[0])
        cache.keep(tokens[2])
        #expect(cache.count == 2 && cache.find(tokens[1].text) == nil)
        #expect(cache.find(tokens[0].text) != nil && cache.find(tokens[2].text) != nil)
        cache.keep(tokens[1])
        #expect(cache.find(tokens[0].text) == nil)
        cache.removeAll()
        #expect(cache.count == 0 && cache.find(tokens[2].text) == nil)
        cache.keep(tokens[0])
        #expect(cache.find(tokens[0].text) != nil)
        let small = JWTCache(.init(tokens: 2, maxTokenBytes: 10))
        small.keep(tokens[0])
        #expect(small.count == 0)
    }

    @Test func audiences() {
        #expect(JWTAudiences([]).allow([]))
        let some = JWTAudiences(["https://a/", "b"])
        #expect(some.allow(["x", "http://a"]) && some.allow(["b/"]) && !some.allow(["c"]) && !some.allow([]))
    }
}
